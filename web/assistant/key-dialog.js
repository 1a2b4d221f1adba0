/** Asks for the server's key. */

import { byId } from "../lib/elements.js";
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
    const { key } = this.#server;
    const problem = byId("key-problem", HTMLElement);
    const input = byId("key", HTMLInputElement);
    problem.textContent = key
      ? "That key wasn't accepted. Check it and try again."
      : "This server needs an API key. Ask its administrator for one.";
    problem.classList.toggle("error", key !== "");
    input.setAttribute("aria-invalid", String(key !== ""));
    input.value = key;
    if (!this.#dialog.open) this.#dialog.showModal();
    input.select();
  }
}
