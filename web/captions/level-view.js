import { byId } from "../lib/elements.js";
import { SilenceWatch } from "./silence-watch.js";

/** Shows how loud the source is, and says so when nothing is heard. */
export class LevelView {
  #meter = byId("level", HTMLElement);
  #words = byId("level-words", HTMLElement);
  #watch = new SilenceWatch();
  #silentWords = "";

  /** @param {string} silentWords  what to say when nothing is heard */
  start(silentWords) {
    this.#silentWords = silentWords;
    this.#watch.start(performance.now());
  }

  /**
   * @param {number} level  0 to 1
   * @param {boolean} isHeld  whether nothing is to be heard
   */
  show(level, isHeld) {
    this.#meter.style.setProperty("--level", String(level));
    if (isHeld) this.#watch.start(performance.now());
    this.#say(this.#watch.push(level, performance.now()) ? this.#silentWords : "");
  }

  stop() {
    this.#meter.style.setProperty("--level", "0");
    this.#say("");
  }

  /** @param {string} words */
  #say(words) {
    if (this.#words.textContent !== words) this.#words.textContent = words;
  }
}
