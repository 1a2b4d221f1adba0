/** The choice of the recogniser and the language on the speaker's page, which this browser remembers. */

import { showChoices } from "../lib/choices.js";
import { Emitter, RecognizerWish } from "../lib/index.js";
import { languageChoices, recognizerChoices, recognizerHint } from "../lib/recognizer-choice.js";
import { keep, readKept } from "../lib/storage.js";
import { byId } from "../lib/elements.js";

const NAME = "streamsrv.captions.hearing";

/** @typedef {Omit<import("./speaking.js").Hearing, "keywords">} Chosen */

/** @extends {Emitter<{change: Chosen, problem: import("../lib/problems.js").Problem}>} */
export class HearingChoice extends Emitter {
  #recognizer = byId("recognizer", HTMLSelectElement);
  #language = byId("speech-language", HTMLSelectElement);
  #wish = new RecognizerWish();
  #chosen = readChoice();
  /** @type {import("../lib/path.js").Capabilities | null} */
  #capabilities = null;

  constructor() {
    super();
    this.#recognizer.addEventListener("change", () => this.#changed());
    this.#language.addEventListener("change", () => this.#changed());
  }

  /** @returns {Chosen} what a session is told */
  get hearing() {
    return this.#wish.transcription;
  }

  /**
   * Offer what the server has.
   *
   * @param {import("../lib/path.js").Capabilities} capabilities
   */
  offer(capabilities) {
    this.#capabilities = capabilities;
    this.#show();
    for (const problem of this.#wish.make(this.#chosen, capabilities)) this.emit("problem", problem);
  }

  #changed() {
    if (this.#capabilities === null) return;
    const recognizer = this.#recognizer.value;
    const known = languageChoices(this.#capabilities, recognizer).some(({ value }) => value === this.#language.value);
    this.#chosen = { recognizer, speechLanguage: known ? this.#language.value : "" };
    keep("localStorage", NAME, JSON.stringify(this.#chosen));
    this.#wish.make(this.#chosen, this.#capabilities);
    this.#show();
    this.emit("change", this.hearing);
  }

  #show() {
    if (this.#capabilities === null) return;
    const { recognizer, speechLanguage } = this.#chosen;
    byId("hearing", HTMLElement).hidden = !this.#capabilities.recognizers?.length;
    showChoices(this.#recognizer, recognizerChoices(this.#capabilities), recognizer);
    byId("recognizer-hint", HTMLElement).textContent = recognizerHint(this.#capabilities, recognizer);
    showChoices(this.#language, languageChoices(this.#capabilities, recognizer), speechLanguage);
  }
}

/** @returns {import("../lib/recognizer-choice.js").Wish} */
function readChoice() {
  try {
    const { recognizer = "", speechLanguage = "" } = JSON.parse(readKept("localStorage", NAME) || "{}");
    return { recognizer: String(recognizer), speechLanguage: String(speechLanguage) };
  } catch {
    return { recognizer: "", speechLanguage: "" }; // invalid content: the server chooses
  }
}
