/** Copies text. */

import { copyText } from "../lib/copy-text.js";
import { byId } from "../lib/elements.js";

const SHOWN_MS = 1500;

/**
 * Copy a text, and say on the button that it was.
 *
 * @param {HTMLButtonElement} button
 * @param {string} text
 */
export async function copyFrom(button, text) {
  const copied = await copyText(text);
  const said = copied ? "Copied" : "Couldn't copy";
  byId("announcer", HTMLElement).textContent = said;
  if (button.dataset.copied !== undefined) return;
  const { ariaLabel, title, textContent } = button;
  const hasText = textContent !== "";
  button.dataset.copied = copied ? "yes" : "no";
  Object.assign(button, { ariaLabel: said, title: said }, hasText ? { textContent: said } : {});
  setTimeout(() => {
    delete button.dataset.copied;
    Object.assign(button, { ariaLabel, title }, hasText ? { textContent } : {});
  }, SHOWN_MS);
}
