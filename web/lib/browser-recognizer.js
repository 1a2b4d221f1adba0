import { Emitter } from "./emitter.js";
import { recognitionProblem } from "./problems.js";

const START_MS = 6000; // without an event by then it never works (some browsers have the class but no service)
const RESTART_MS = 250;
const FRUITLESS_LIMIT = 6; // sessions in a row without an error and without a word

const Recognition = globalThis.SpeechRecognition ?? globalThis.webkitSpeechRecognition;

/**
 * The browser's own speech recognition, restarted until `stop`, because browsers end it at every longer pause. Events:
 * `partial` (text of the utterance so far), `final` (an utterance), `problem` (it failed and is stopped).
 *
 * It never waits for an `end` event, which does not come after some errors.
 *
 * @extends {Emitter<{partial: string, final: string, problem: import("./problems.js").Problem}>}
 */
export class BrowserRecognizer extends Emitter {
  /** Whether the browser has it. Only trying shows whether it works, because `available()` is unreliable. */
  static supported = Recognition !== undefined;

  #language;
  /** @type {SpeechRecognition | null} */
  #current = null;
  #wanted = false;
  #fruitless = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {() => string} language  BCP 47, such as `en-US` */
  constructor(language) {
    super();
    this.#language = language;
  }

  start() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#fruitless = 0;
    this.#begin();
  }

  stop() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#drop();
  }

  #begin() {
    if (!Recognition || !this.#wanted) return;
    const recognition = new Recognition();
    this.#current = recognition;
    recognition.lang = this.#language();
    recognition.continuous = true;
    recognition.interimResults = true;
    recognition.onstart = () => clearTimeout(this.#timer);
    recognition.onresult = (event) => this.#heard(event);
    recognition.onerror = ({ error }) => this.#failed(error);
    recognition.onend = () => this.#ended();
    this.#timer = setTimeout(() => this.#failed("no-response"), START_MS);
    try {
      recognition.start();
    } catch (error) {
      this.#failed(/** @type {Error} */ (error).name);
    }
  }

  /** @param {SpeechRecognitionEvent} event */
  #heard(event) {
    this.#fruitless = 0;
    let partial = "";
    for (let i = event.resultIndex; i < event.results.length; i++) {
      const result = event.results[i];
      const text = result?.[0]?.transcript.trim() ?? "";
      if (result?.isFinal && text) this.emit("final", text);
      else partial = `${partial} ${text}`.trim();
    }
    if (partial) this.emit("partial", partial);
  }

  /** @param {string} error */
  #failed(error) {
    if (error === "no-speech" || error === "aborted") return this.#ended();
    this.stop();
    this.emit("problem", recognitionProblem(error));
  }

  #ended() {
    this.#drop();
    clearTimeout(this.#timer);
    if (!this.#wanted) return;
    this.#fruitless += 1;
    if (this.#fruitless > FRUITLESS_LIMIT) this.#failed("no result");
    else this.#timer = setTimeout(() => this.#begin(), RESTART_MS);
  }

  #drop() {
    const recognition = this.#current;
    this.#current = null;
    if (!recognition) return;
    recognition.onstart = recognition.onend = null;
    recognition.onerror = recognition.onresult = null;
    recognition.abort();
  }
}
