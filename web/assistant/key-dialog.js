/** Asks for the server's key. */

import { byId } from "./elements.js";
import { keepKey } from "./preferences.js";

export class KeyDialog {
  #dialog = byId("key-dialog", HTMLDialogElement);
  #server;

  /**
   * @param {import("../lib/server.js").Server} server
   * @param {() => void} entered  the server has another key
   */
  constructor(server, entered) {
    this.#server = server;
    this.#dialog.addEventListener("submit", () => {
      server.key = byId("key", HTMLInputElement).value.trim();
      keepKey(server.key);
      entered();
    });
    byId("key-cancel", HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
  }

  open() {
    byId("key-problem", HTMLElement).textContent = this.#server.key
      ? "That key was not accepted. Check it and try again."
      : "Ask whoever runs it for one.";
    this.#dialog.showModal();
  }
}
