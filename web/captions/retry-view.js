import { byId } from "../lib/elements.js";

/**
 * Counts down to the next attempt to connect, and offers to try at once. It is in no live region: a screen reader would
 * read every second.
 */
export class RetryView {
  #place = byId("retry", HTMLElement);
  #words = byId("retry-in", HTMLElement);
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /** @param {() => void} tryNow */
  constructor(tryNow) {
    byId("retry-now", HTMLButtonElement).addEventListener("click", () => {
      this.#trying();
      tryNow();
    });
  }

  /** @param {number} inMs  until the next attempt */
  show(inMs) {
    const at = Date.now() + inMs;
    clearInterval(this.#timer);
    this.#place.hidden = false;
    const count = () => {
      const seconds = Math.ceil((at - Date.now()) / 1000);
      if (seconds > 0) this.#words.textContent = `Reconnecting in ${seconds} s`;
      else this.#trying();
    };
    this.#timer = setInterval(count, 250);
    count();
  }

  hide() {
    clearInterval(this.#timer);
    this.#place.hidden = true;
  }

  #trying() {
    clearInterval(this.#timer);
    this.#words.textContent = "Reconnecting…";
  }
}
