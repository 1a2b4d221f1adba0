/** Copies text. */

import { byId } from "./elements.js";

const SHOWN_MS = 1500;

/**
 * @param {string} text
 * @returns {Promise<boolean>} whether it is in the clipboard
 */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text); // pages that are not secure have no clipboard, but this
  }
}

/** @param {string} text */
function copySelected(text) {
  const before = document.activeElement;
  const field = document.createElement("textarea");
  field.className = "hidden";
  field.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(field); // elsewhere nothing can be selected
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  return copied;
}

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
