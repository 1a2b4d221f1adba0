/** The dialog that shows what the keys do, and lets the user switch single keys off. */

import { loadStyle } from "../lib/load-style.js";
import { byId } from "../lib/elements.js";
import { keepPageOptions, readPageOptions } from "./page-options.js";

export class KeyboardHelp {
  #dialog = byId("keyboard-help", HTMLDialogElement);
  #shortcuts = byId("shortcuts", HTMLInputElement);

  constructor() {
    this.#shortcuts.addEventListener("change", () => keepPageOptions({ shortcuts: this.#shortcuts.checked }));
    this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
  }

  async open() {
    this.#shortcuts.checked = readPageOptions().shortcuts;
    await loadStyle(new URL("./keyboard-help.css", import.meta.url));
    if (!this.#dialog.open) this.#dialog.showModal();
  }
}
