/** The settings dialog. Changes apply at once. */

import { listMicrophones, onDevicesChanged } from "../lib/index.js";
import { showChoices } from "../lib/choices.js";
import { languageChoices, recognizerChoices, recognizerHint } from "../lib/recognizer-choice.js";
import { voiceChoices } from "../lib/voice-choice.js";
import { byId } from "./elements.js";
import { keepKey, keepPreferences } from "./preferences.js";

/** @typedef {import("../lib/session-options.js").VoiceSessionOptions} VoiceSessionOptions */

export class SettingsDialog {
  #dialog = byId("settings", HTMLDialogElement);
  #form;
  #session;
  #server;
  /** @type {import("../lib/path.js").Capabilities | null} of the server, when they are known */
  #capabilities = null;

  /**
   * @param {import("../lib/voice-session.js").VoiceSession} session
   * @param {import("../lib/server.js").Server} server
   */
  constructor(session, server) {
    this.#session = session;
    this.#server = server;
    const form = this.#dialog.querySelector("form");
    if (!form) throw new Error("#settings has no form");
    this.#form = form;
    byId("open-settings", HTMLButtonElement).addEventListener("click", () => this.open());
    this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
    form.addEventListener("change", (event) => this.#changed(/** @type {HTMLElement} */ (event.target)));
    onDevicesChanged(() => this.#fillMicrophones());
  }

  open() {
    this.#fill();
    this.#dialog.showModal();
  }

  #fill() {
    const { instructions, spoken, language, transports, audioCodec, model, voice, recognizer, speechLanguage } =
      this.#session.options;
    this.#control("browserRecognition").value = this.#session.options.browserRecognition;
    this.#control("instructions").value = instructions;
    this.#control("language").value = language;
    this.#control("transport").value = transports.length === 1 ? (transports[0] ?? "") : "";
    this.#control("audioCodec").value = audioCodec;
    this.#control("key").value = this.#server.key;
    const check = this.#control("spoken");
    if (check instanceof HTMLInputElement) check.checked = spoken;
    this.#fillMicrophones();
    this.#choices("model", [["", "Server default"]], model);
    this.#choices("voice", [["", "Server default"]], voice);
    this.#choices("recognizer", [["", "Server default"]], recognizer);
    this.#choices("speechLanguage", [["", "Not set"]], speechLanguage);
    this.#fillModels();
  }

  async #fillModels() {
    const { model, voice } = this.#session.options;
    try {
      const [capabilities, voices] = await Promise.all([
        this.#server.capabilities(),
        this.#server.voices().catch(() => []),
      ]);
      const { chat } = capabilities;
      this.#choices("model", [["", `Default (${chat.default})`], ...same(chat.models)], model);
      showChoices(this.#select("voice"), voiceChoices(capabilities, voices), voice);
      this.#capabilities = capabilities;
      this.#fillRecognizers();
    } catch {
      // Only the default can be chosen; starting a conversation shows what is wrong with the server.
    }
  }

  #fillRecognizers() {
    if (this.#capabilities === null) return;
    const { recognizer, speechLanguage } = this.#session.options;
    showChoices(this.#select("recognizer"), recognizerChoices(this.#capabilities), recognizer);
    byId("recognizer-hint", HTMLElement).textContent = recognizerHint(this.#capabilities, recognizer);
    showChoices(this.#select("speechLanguage"), languageChoices(this.#capabilities, recognizer), speechLanguage);
  }

  async #fillMicrophones() {
    const microphones = await listMicrophones();
    const named = microphones.map(
      ({ deviceId, label }, i) => /** @type {const} */ ([deviceId, label || `Microphone ${i + 1}`]),
    );
    this.#choices("deviceId", [["", "System default"], ...named], this.#session.options.deviceId);
  }

  /**
   * @param {string} name
   * @param {readonly (readonly [string, string])[]} choices  value and text
   * @param {string} chosen
   */
  #choices(name, choices, chosen) {
    showChoices(
      this.#select(name),
      choices.map(([value, text]) => ({ value, text })),
      chosen,
    );
  }

  /** @param {HTMLElement} target */
  #changed(target) {
    const control = /** @type {HTMLInputElement} */ (target);
    if (control.name === "key") {
      this.#server.key = control.value;
      return keepKey(control.value);
    }
    /** @type {Partial<VoiceSessionOptions>} */
    const change =
      control.name === "transport"
        ? {
            transports: control.value
              ? [/** @type {"webrtc" | "websocket"} */ (control.value)]
              : ["webrtc", "websocket"],
          }
        : { [control.name]: control.type === "checkbox" ? control.checked : control.value };
    if (control.name === "recognizer" && this.#capabilities) {
      const known = languageChoices(this.#capabilities, control.value);
      if (!known.some(({ value }) => value === this.#session.options.speechLanguage)) change.speechLanguage = "";
    }
    keepPreferences(change);
    this.#session.configure(change);
    this.#fillRecognizers();
  }

  /** @param {string} name */
  #select(name) {
    return /** @type {HTMLSelectElement} */ (this.#control(name));
  }

  /** @param {string} name */
  #control(name) {
    return /** @type {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} */ (
      this.#form.elements.namedItem(name)
    );
  }
}

/**
 * @param {string[]} names
 * @returns {[string, string][]}
 */
function same(names) {
  return names.map((name) => [name, name]);
}
