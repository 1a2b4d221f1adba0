/** Gets text out of the page. */

import { copyText } from "../lib/copy-text.js";

/**
 * @param {HTMLButtonElement} button  says for a moment whether it worked
 * @param {string} text
 */
export async function copy(button, text) {
  const name = (button.dataset.name ??= button.textContent ?? "");
  button.textContent = (await copyText(text)) ? "Copied" : "Couldn't copy";
  setTimeout(() => (button.textContent = name), 2000);
}

/**
 * @param {string} name  of the file
 * @param {string} text
 * @param {string} type  of its content
 */
export function save(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
