import { BrowserRecognizer } from "./browser-recognizer.js";
import { BrowserVoice } from "./browser-voice.js";
import { Emitter } from "./emitter.js";

/**
 * Recognition and voice of the browser itself, for what a server lacks. They take turns: the browser's voice is not
 * taken out of what its recogniser hears.
 *
 * @extends {Emitter<{
 *   heard: {text: string, final: boolean},
 *   speaking: boolean,
 *   spoken: {itemId: string, text: string},
 *   drained: string,
 *   recognitionProblem: import("./problems.js").Problem,
 *   voiceProblem: import("./problems.js").Problem,
 * }>}
 */
export class BrowserStages extends Emitter {
  static hears = BrowserRecognizer.supported;
  static speaks = BrowserVoice.supported;

  #recognizer;
  #voice;
  #wanted = false;
  #speaking = false;

  /** @param {string} language  BCP 47 */
  constructor(language) {
    super();
    this.#recognizer = new BrowserRecognizer(language);
    this.#voice = new BrowserVoice(language);
    this.#recognizer.on("partial", (text) => this.emit("heard", { text, final: false }));
    this.#recognizer.on("final", (text) => this.emit("heard", { text, final: true }));
    this.#recognizer.on("problem", (problem) => {
      this.#wanted = false;
      this.emit("recognitionProblem", problem);
    });
    this.#voice.on("speaking", (speaking) => this.#speaks(speaking));
    this.#voice.on("spoken", (utterance) => this.emit("spoken", utterance));
    this.#voice.on("drained", (itemId) => this.emit("drained", itemId));
    this.#voice.on("problem", (problem) => this.emit("voiceProblem", problem));
  }

  /** @param {boolean} wanted  whether to recognise what is said */
  hear(wanted) {
    this.#wanted = wanted;
    this.#arrange();
  }

  /**
   * @param {string} itemId
   * @param {string} delta
   */
  speak(itemId, delta) {
    this.#voice.feed(itemId, delta);
  }

  /** @param {string} itemId  all of its text was given */
  finish(itemId) {
    this.#voice.finish(itemId);
  }

  /** Be silent. */
  cancel() {
    this.#voice.cancel();
  }

  close() {
    this.hear(false);
    this.cancel();
  }

  /** @param {boolean} speaking */
  #speaks(speaking) {
    if (speaking === this.#speaking) return;
    this.#speaking = speaking;
    this.#arrange();
    this.emit("speaking", speaking);
  }

  #arrange() {
    if (this.#wanted && !this.#speaking) this.#recognizer.start();
    else this.#recognizer.stop();
  }
}
