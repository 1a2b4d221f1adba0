/** Shows problems above the controls, each with an action. */

import { byId, make, makeSvg } from "./elements.js";

/** @typedef {{label: string, run: () => void}} Action */

export class Notices {
  #place = byId("notices", HTMLElement);
  /** @type {Map<string, HTMLElement>} */
  #shown = new Map();

  /**
   * Show a notice in place of one with the same code.
   *
   * @param {string} code
   * @param {string} message
   * @param {string} [advice]
   * @param {Action} [action]
   */
  show(code, message, advice = "", action) {
    const text = make("p", "", make("strong", "", message), advice ? ` ${advice}` : "");
    const known = this.#shown.get(code);
    if (known && !action) return known.firstElementChild?.replaceWith(text);
    this.hide(code);
    const notice = make("div", "notice", text);
    if (action) {
      const button = make("button", "secondary", action.label);
      button.type = "button";
      button.addEventListener("click", () => {
        this.hide(code);
        action.run();
      });
      notice.append(button);
    }
    notice.append(this.#dismiss(code));
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

  /** @param {string} code */
  #dismiss(code) {
    const button = make(
      "button",
      "icon",
      makeSvg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, makeSvg("path", { d: "M7 7l10 10M17 7L7 17" })),
    );
    button.type = "button";
    button.setAttribute("aria-label", "Dismiss");
    button.addEventListener("click", () => this.hide(code));
    return button;
  }
}
