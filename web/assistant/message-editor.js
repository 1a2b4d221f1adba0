/** Changes the words of a message that was said or written, to ask them anew. */

import { make } from "../lib/elements.js";
import { TextBox } from "./text-box.js";

/**
 * @param {string} text
 * @param {{send: (text: string) => void, cancel: () => void}} then
 * @returns {HTMLFormElement}
 */
export function messageEditor(text, { send, cancel }) {
  const field = make("textarea", "");
  Object.assign(field, { value: text, rows: 1, ariaLabel: "Edit the message", dir: "auto" });
  const note = make("p", "aside error");
  note.setAttribute("role", "status");
  const hint = make("p", "aside", "Everything after this message is removed.");
  const back = make("button", "secondary", "Cancel");
  back.type = "button";
  back.addEventListener("click", cancel);
  const actions = make("div", "actions", back, make("button", "primary", "Ask this"));
  const form = make("form", "editor", field, note, hint, actions);
  const box = new TextBox(field, note, send);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    box.submit();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing) return;
    event.stopPropagation(); // it would interrupt the reply, too
    cancel();
  });
  requestAnimationFrame(() => {
    box.fit();
    field.focus();
  });
  return form;
}
