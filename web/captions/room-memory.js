/** What this browser remembers of each caption room: its title, the name of the speaker, the lists of words. */

import { keep, readKept } from "../lib/storage.js";

const NAME = "streamsrv.captions.rooms";
export const MAX_REMEMBERED_ROOMS = 30;

/** @typedef {{title: string, speaker: string, vocabulary: string, replacements: string}} Remembered  lists as they were typed */

/**
 * @param {string} room
 * @returns {Remembered} empty texts: nothing is remembered
 */
export function rememberedOf(room) {
  const { title, speaker, vocabulary, replacements } = readAll().get(room) ?? {};
  return { title: text(title), speaker: text(speaker), vocabulary: text(vocabulary), replacements: text(replacements) };
}

/**
 * Remember more of a room, and forget the room that was used longest ago when there are too many.
 *
 * @param {string} room
 * @param {Partial<Remembered>} changes
 */
export function remember(room, changes) {
  const all = readAll();
  const merged = { ...rememberedOf(room), ...changes };
  all.delete(room);
  all.set(room, merged);
  const kept = [...all].slice(-MAX_REMEMBERED_ROOMS);
  keep("localStorage", NAME, JSON.stringify(kept));
}

/** @returns {Map<string, Record<string, unknown>>} by room, the latest last */
function readAll() {
  try {
    return new Map(JSON.parse(readKept("localStorage", NAME) || "[]"));
  } catch {
    return new Map(); // invalid content
  }
}

/** @param {unknown} value */
function text(value) {
  return typeof value === "string" ? value : "";
}
