import { byId, make } from "../lib/elements.js";

/** Shows problems in `#notices`, one of each code, until they are solved or dismissed. */
export class Notices {
  #place = byId("notices", HTMLElement);
  /** @type {Map<string, HTMLElement>} */
  #shown = new Map();

  /** @param {{code: string, message: string, advice: string, detail: string}} problem  replaces a notice with the same code */
  show({ code, message, advice, detail }) {
    this.hide(code);
    const text = make("p", "", make("strong", "", message), advice ? ` ${advice}` : "");
    const dismiss = make("button", "icon dismiss", "×");
    dismiss.type = "button";
    dismiss.setAttribute("aria-label", "Dismiss");
    dismiss.addEventListener("click", () => this.hide(code));
    const notice = make("div", "problem", text, dismiss);
    if (detail) notice.append(make("details", "detail", make("summary", "", "Details"), make("p", "", detail)));
    this.#shown.set(code, notice);
    this.#place.append(notice);
  }

  /** @param {...string} codes */
  hide(...codes) {
    for (const code of codes) {
      this.#shown.get(code)?.remove();
      this.#shown.delete(code);
    }
  }

  hideAll() {
    this.hide(...this.#shown.keys());
  }
}
