/** Shows problems above the controls, each with an action. */

import { byId, make, makeSvg } from "../lib/elements.js";

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
   * @param {string} [detail]  for who looks closer: shown when it is opened
   */
  show(code, message, advice = "", action, detail = "") {
    const text = make("p", "", make("strong", "", message), advice ? ` ${advice}` : "", makeCount());
    const known = this.#shown.get(code);
    const said = known?.firstElementChild;
    if (known && !action && !detail) {
      if (withoutCount(said) !== withoutCount(text)) said?.replaceWith(text); // the same words would be announced again
      return;
    }
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
    if (detail) notice.append(make("details", "detail", make("summary", "", "Details"), make("p", "", detail)));
    this.#shown.set(code, notice);
    this.#place.append(notice);
  }

  /**
   * Show how long something takes from now. It is not announced: a screen reader would read the notice each second.
   *
   * @param {string} code  of a notice that is shown
   * @param {string} text
   */
  count(code, text) {
    const place = this.#shown.get(code)?.querySelector(".count");
    if (place) place.textContent = text;
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

function makeCount() {
  const count = make("span", "count");
  count.setAttribute("aria-hidden", "true");
  return count;
}

/** @param {Element | null | undefined} text */
function withoutCount(text) {
  return [...(text?.childNodes ?? [])].map((part) => (part instanceof HTMLSpanElement ? "" : part.textContent)).join("");
}
