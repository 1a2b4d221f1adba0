/** The group "Hearing" of the settings: which microphone, which recogniser, which language. */

import { showChoices } from "../lib/choices.js";
import { listMicrophones } from "../lib/microphone.js";
import { languageChoices, languageHint, recognizerChoices, recognizerHint } from "../lib/recognizer-choice.js";
import { byId } from "../lib/elements.js";

/** @typedef {import("../lib/path.js").Capabilities} Capabilities */

export class HearingSettings {
  #session;
  #microphone = byId("setting-microphone", HTMLSelectElement);
  #recognizer = byId("setting-recognizer", HTMLSelectElement);
  #language = byId("setting-language", HTMLSelectElement);
  /** @type {Capabilities | null} of the server, when they are known */
  #capabilities = null;

  /** @param {import("../lib/voice-session.js").VoiceSession} session */
  constructor(session) {
    this.#session = session;
  }

  /** Show what is chosen, before it is known what the server has. */
  show() {
    const { recognizer, speechLanguage } = this.#session.options;
    showChoices(this.#recognizer, [{ value: "", text: "Server default" }], recognizer);
    showChoices(this.#language, [{ value: "", text: "Not set" }], speechLanguage);
    void this.fillMicrophones();
  }

  /** @param {Capabilities} [capabilities]  of the server; default: those that were given last */
  fill(capabilities) {
    this.#capabilities = capabilities ?? this.#capabilities;
    if (this.#capabilities === null) return;
    const { recognizer, speechLanguage } = this.#session.options;
    showChoices(this.#recognizer, recognizerChoices(this.#capabilities), recognizer);
    byId("recognizer-hint", HTMLElement).textContent = recognizerHint(this.#capabilities, recognizer);
    showChoices(this.#language, languageChoices(this.#capabilities, recognizer), speechLanguage);
    byId("language-hint", HTMLElement).textContent = languageHint(this.#capabilities, { recognizer, speechLanguage });
  }

  /**
   * Whether the chosen language can be kept with a recogniser.
   *
   * @param {string} recognizer
   */
  keepsLanguage(recognizer) {
    if (this.#capabilities === null) return true;
    const known = languageChoices(this.#capabilities, recognizer);
    return known.some(({ value }) => value === this.#session.options.speechLanguage);
  }

  async fillMicrophones() {
    const microphones = await listMicrophones();
    const named = microphones.map(({ deviceId, label }, i) => ({ value: deviceId, text: label || `Microphone ${i + 1}` }));
    showChoices(this.#microphone, [{ value: "", text: "System default" }, ...named], this.#session.options.deviceId);
  }
}
