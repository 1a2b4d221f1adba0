/** The settings dialog. Changes apply at once. */

import { showChoices } from "../lib/choices.js";
import { loadStyle } from "../lib/load-style.js";
import { onDevicesChanged } from "../lib/microphone.js";
import { byId } from "../lib/elements.js";
import { HearingSettings } from "./hearing-settings.js";
import { keepPageOptions, readPageOptions } from "./page-options.js";
import { keepKey, keepPreferences } from "./preferences.js";
import { VoiceSettings } from "./voice-settings.js";

/** @typedef {import("../lib/session-options.js").VoiceSessionOptions} VoiceSessionOptions */
/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

export class SettingsDialog {
  #dialog = byId("settings", HTMLDialogElement);
  #form = byId("settings-form", HTMLFormElement);
  #session;
  #server;
  #voice;
  #hearing;

  /**
   * @param {import("../lib/voice-session.js").VoiceSession} session
   * @param {import("../lib/server.js").Server} server
   */
  constructor(session, server) {
    this.#session = session;
    this.#server = server;
    this.#voice = new VoiceSettings(session, server);
    this.#hearing = new HearingSettings(session);
    this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
    this.#dialog.addEventListener("close", () => this.#voice.stop());
    this.#form.addEventListener("change", ({ target }) => this.#changed(/** @type {Control} */ (target)));
    onDevicesChanged(() => this.#fillDevices());
  }

  async open() {
    this.#show();
    await loadStyle(new URL("./settings-dialog.css", import.meta.url));
    if (!this.#dialog.open) this.#dialog.showModal();
    await this.#fill();
  }

  /** Show what is chosen. */
  #show() {
    const { options } = this.#session;
    for (const name of /** @type {const} */ (["browserRecognition", "instructions", "language", "audioCodec"])) {
      this.#control(name).value = options[name];
    }
    this.#control("transport").value = options.transports.length === 1 ? (options.transports[0] ?? "") : "";
    this.#control("key").value = this.#server.key;
    this.#check("spoken", options.spoken);
    const page = readPageOptions();
    for (const name of /** @type {const} */ (["sounds", "turnSound"])) this.#check(name, page[name]);
    showChoices(byId("setting-model", HTMLSelectElement), [{ value: "", text: "Server default" }], options.model);
    this.#voice.show();
    this.#hearing.show();
  }

  /** Show what else can be chosen. */
  async #fill() {
    try {
      const [capabilities, voices] = await Promise.all([
        this.#server.capabilities(),
        this.#server.voices().catch(() => []),
      ]);
      const { chat } = capabilities;
      const models = chat.models.map((name) => ({ value: name, text: name }));
      const choices = [{ value: "", text: `Default (${chat.default})` }, ...models];
      showChoices(byId("setting-model", HTMLSelectElement), choices, this.#session.options.model);
      this.#voice.fill(capabilities, voices);
      this.#hearing.fill(capabilities);
    } catch {
      // Only the default can be chosen; starting a conversation shows what is wrong with the server.
    }
  }

  #fillDevices() {
    void this.#hearing.fillMicrophones();
    void this.#voice.fillLoudspeakers();
  }

  /** @param {Control} control */
  #changed(control) {
    if (control.name === "key") {
      this.#server.key = control.value;
      return keepKey(control.value);
    }
    const value = valueOf(control);
    if (control.name === "sounds" || control.name === "turnSound") return keepPageOptions({ [control.name]: value });
    /** @type {Partial<VoiceSessionOptions>} */
    const change = control.name === "transport" ? { transports: transports(control.value) } : { [control.name]: value };
    if (control.name === "recognizer" && !this.#hearing.keepsLanguage(control.value)) change.speechLanguage = "";
    keepPreferences(change);
    this.#session.configure(change);
    this.#hearing.fill();
  }

  /**
   * @param {string} name
   * @param {boolean} checked
   */
  #check(name, checked) {
    const control = this.#control(name);
    if (control instanceof HTMLInputElement) control.checked = checked;
  }

  /** @param {string} name */
  #control(name) {
    return /** @type {Control} */ (this.#form.elements.namedItem(name));
  }
}

/** @param {Control} control */
function valueOf(control) {
  if (!(control instanceof HTMLInputElement)) return control.value;
  if (control.type === "checkbox") return control.checked;
  return control.type === "range" ? control.valueAsNumber : control.value;
}

/**
 * @param {string} name  of the only one; empty: all
 * @returns {import("../lib/connection.js").TransportName[]}
 */
function transports(name) {
  return name === "webrtc" || name === "websocket" ? [name] : ["webrtc", "websocket"];
}
