/** The text field: what is typed, and the suggestions on the empty page. */

import { byId } from "./elements.js";

export class Composer {
  #input = byId("text", HTMLInputElement);
  #send;

  /** @param {(text: string) => void} send  takes a written message */
  constructor(send) {
    this.#send = send;
    byId("write", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    byId("suggestions", HTMLElement).addEventListener("click", ({ target }) => {
      if (target instanceof HTMLButtonElement) this.#send(target.textContent ?? "");
    });
  }

  #submit() {
    const text = this.#input.value.trim();
    if (text) this.#send(text);
    this.#input.value = "";
  }
}
