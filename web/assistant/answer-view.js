/** Shows who answered and what it cost, and when opened, why that model was asked. */

import { make } from "../lib/elements.js";
import { inDollars } from "./dollars.js";

/**
 * @param {import("../lib/transcript.js").Answer} answer
 * @returns {HTMLElement}
 */
export function answerView({ model, why, cost }) {
  const line = [`Answered by ${model}`, ...(cost ? [inDollars(cost)] : [])].join(", ");
  if (!why) return make("p", "aside answered", line);
  return make("details", "answered", make("summary", "", line), make("p", "aside", why));
}
