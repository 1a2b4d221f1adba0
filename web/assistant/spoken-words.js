/** Draws what the user says: words that are certain, and words that may change. */

import { make } from "../lib/elements.js";
import { setText } from "./text-view.js";

export class SpokenWords {
  #certain = document.createTextNode("");
  #tentative = document.createTextNode("");
  #mayChange = make("span", "tentative", this.#tentative);
  #waiting = waiting();

  /** @param {HTMLElement} element */
  constructor(element) {
    element.append(make("p", "", make("span", "", this.#certain), this.#mayChange, this.#waiting));
  }

  /** @param {import("../lib/transcript.js").Message} message */
  show({ text, tentative, status }) {
    setText(this.#certain, text && tentative ? `${text} ` : text);
    setText(this.#tentative, tentative);
    this.#mayChange.hidden = !tentative;
    this.#waiting.hidden = text !== "" || tentative !== "" || status === "failed";
  }
}

function waiting() {
  const dots = make("span", "waiting", make("i", ""), make("i", ""), make("i", ""));
  dots.setAttribute("role", "img");
  dots.setAttribute("aria-label", "Listening");
  return dots;
}
