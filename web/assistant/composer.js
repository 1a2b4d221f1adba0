/** The text field: what is typed, and the suggestions on the empty page. */

import { byId } from "../lib/elements.js";
import { TextBox } from "./text-box.js";

export class Composer {
  /** @param {(text: string) => void} send  takes a written message */
  constructor(send) {
    const box = new TextBox(byId("text", HTMLTextAreaElement), byId("text-note", HTMLElement), send);
    byId("write", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      box.submit();
    });
    byId("suggestions", HTMLElement).addEventListener("click", ({ target }) => {
      if (target instanceof HTMLButtonElement) send(target.textContent ?? "");
    });
  }
}
