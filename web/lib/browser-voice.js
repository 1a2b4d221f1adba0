import { Emitter } from "./emitter.js";
import { Problem } from "./problems.js";
import { SentenceSplitter, withoutMarks } from "./sentences.js";

const START_MS = 5000; // an utterance that has not started by then never starts
const SLOWEST_MS_PER_CHARACTER = 200;

/**
 * @typedef {object} Utterance
 * @property {string} itemId
 * @property {string} text
 */

/** @typedef {{language: string, speed: number, volume: number}} Manner  `language`: BCP 47 */

/**
 * The browser's own voice: speaks streamed text sentence by sentence. Events: `speaking` (whether there is sound),
 * `spoken` (`{itemId, text}`: a sentence starts), `drained` and `cut` (item id: all of it was spoken, or it was
 * stopped), `problem` (it failed; waiting sentences are dropped).
 *
 * @extends {Emitter<{speaking: boolean, spoken: Utterance, drained: string, cut: string, problem: Problem}>}
 */
export class BrowserVoice extends Emitter {
  static supported = typeof speechSynthesis !== "undefined";

  #manner;
  #splitter = new SentenceSplitter();
  /** @type {Utterance[]} */
  #waiting = []; // bounded by the length of a reply: the next reply clears it
  /** @type {SpeechSynthesisUtterance | null} */
  #current = null;
  #itemId = "";
  /** @type {string | null} */
  #itemLanguage = null;
  #finished = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {() => Manner} manner  how it speaks */
  constructor(manner) {
    super();
    this.#manner = manner;
  }

  /**
   * @param {string} itemId
   * @param {string} delta  next text of this item
   * @param {string | null} [language]  of the item, BCP 47; null: the usual one
   */
  feed(itemId, delta, language = null) {
    if (itemId !== this.#itemId) {
      this.cancel();
      this.#itemId = itemId;
    }
    this.#itemLanguage = language;
    this.#add(this.#splitter.feed(delta));
  }

  /** @param {string} itemId  the item whose text is complete */
  finish(itemId) {
    if (itemId !== this.#itemId) return;
    this.#finished = true;
    this.#add(this.#splitter.finish());
    this.#drained();
  }

  /** Stop speaking at once, and drop the waiting sentences. */
  cancel() {
    if (this.#itemId) this.emit("cut", this.#itemId);
    this.#waiting = [];
    this.#splitter = new SentenceSplitter();
    this.#itemId = "";
    this.#finished = false;
    clearTimeout(this.#timer);
    if (this.#current === null) return;
    this.#forget();
    speechSynthesis.cancel();
    this.emit("speaking", false);
  }

  /** @param {string[]} sentences */
  #add(sentences) {
    for (const text of sentences) this.#waiting.push({ itemId: this.#itemId, text });
    if (this.#current === null) this.#next();
  }

  #next() {
    const next = this.#waiting.shift();
    if (!next) return;
    const utterance = new SpeechSynthesisUtterance(withoutMarks(next.text));
    const { language: usual, speed, volume } = this.#manner();
    utterance.rate = speed;
    utterance.volume = volume;
    utterance.lang = !this.#itemLanguage || usual.startsWith(this.#itemLanguage) ? usual : this.#itemLanguage;
    this.#current = utterance;
    utterance.onstart = () => {
      clearTimeout(this.#timer);
      // Some browsers lose the end of an utterance.
      this.#timer = setTimeout(() => this.#ended(), 2000 + (next.text.length * SLOWEST_MS_PER_CHARACTER) / speed);
      this.emit("speaking", true);
      this.emit("spoken", next);
    };
    utterance.onend = () => this.#ended();
    utterance.onerror = ({ error }) => this.#failed(error);
    this.#timer = setTimeout(() => this.#failed("no response"), START_MS);
    speechSynthesis.speak(utterance);
  }

  #ended() {
    clearTimeout(this.#timer);
    this.#forget();
    if (this.#waiting.length > 0) return this.#next();
    this.emit("speaking", false);
    this.#drained();
  }

  #drained() {
    if (this.#finished && this.#current === null && this.#waiting.length === 0) {
      const itemId = this.#itemId;
      this.#itemId = "";
      this.#finished = false;
      this.emit("drained", itemId);
    }
  }

  /** @param {string} error */
  #failed(error) {
    const itemId = this.#itemId;
    this.#itemId = ""; // not cut: from here on the user reads it
    this.cancel();
    this.emit("drained", itemId);
    this.emit(
      "problem",
      new Problem("voice_failed", "The browser's voice doesn't work here.", "Replies are shown as text.", error),
    );
  }

  #forget() {
    if (this.#current) this.#current.onstart = this.#current.onend = this.#current.onerror = null;
    this.#current = null;
  }
}
