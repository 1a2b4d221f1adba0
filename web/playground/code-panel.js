import { byId } from "../lib/elements.js";
import { inJavaScript, inPython } from "./as-code.js";
import { copy } from "./clipboard.js";

/** The present session as a program. */
export class CodePanel {
  #present;
  #language = byId("code-language", HTMLSelectElement);

  /** @param {() => import("./as-code.js").Present} present */
  constructor(present) {
    this.#present = present;
    this.#language.addEventListener("change", () => this.show());
    const button = byId("code-copy", HTMLButtonElement);
    button.addEventListener("click", () => copy(button, byId("code-text", HTMLElement).textContent ?? ""));
  }

  /** What the program has in it has changed. */
  changed() {
    if (!byId("code", HTMLElement).hidden) this.show();
  }

  show() {
    const write = this.#language.value === "python" ? inPython : inJavaScript;
    byId("code-text", HTMLElement).textContent = write(this.#present());
  }
}
