/** Which part of the sound is shown, and how it is told. Pure. */

import { MAX_MINUTES } from "./envelope.js";

export const MAX_SPAN_MS = MAX_MINUTES * 60_000;

/**
 * @param {number} wantedMs  where the picture should end
 * @param {number} nowMs
 * @param {number} spanMs  that is shown
 * @returns {number | null} where it ends, so that it begins with the oldest sound or later; null: at the present
 */
export function rightEdge(wantedMs, nowMs, spanMs) {
  const oldest = Math.max(0, nowMs - MAX_SPAN_MS) + spanMs;
  const edge = Math.max(oldest, wantedMs);
  return edge >= nowMs ? null : edge;
}

/**
 * @param {number} number
 * @param {string} one
 * @param {string} [many]
 */
export function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}
