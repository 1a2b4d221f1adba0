import { byId, make } from "../lib/elements.js";

const KEPT = 20; // texts; screen readers have already read older ones

/** Gives screen readers what was said: final words only, because tentative ones change while they are read. */
export class ReadAloud {
  #place = byId("announcer", HTMLElement);

  /**
   * @param {string} text  final; empty: there were no words
   * @param {boolean} corrected  it replaces another wording
   */
  say(text, corrected) {
    if (corrected) this.#add(text ? `Corrected: ${text}` : "A caption was removed.");
    else if (text) this.#add(text);
  }

  /** The room was cleared. */
  clear() {
    this.#place.replaceChildren();
    this.#add("The captions were cleared.");
  }

  /** @param {string} words */
  #add(words) {
    this.#place.append(make("p", "", words));
    while (this.#place.childElementCount > KEPT) this.#place.firstElementChild?.remove();
  }
}
