/** The group "Voice" of the settings: which voice, how fast, how loud, and where it is heard. */

import { showChoices } from "../lib/choices.js";
import { listLoudspeakers, Loudspeaker } from "../lib/loudspeaker.js";
import { voiceChoices } from "../lib/voice-choice.js";
import { byId } from "../lib/elements.js";
import { speedRange } from "./speed-range.js";
import { VoicePreview } from "./voice-preview.js";

/** @typedef {import("../lib/path.js").Capabilities} Capabilities */
/** @typedef {import("../lib/voice-choice.js").ServerVoice} ServerVoice */

export class VoiceSettings {
  #session;
  #preview;
  #voice = byId("setting-voice", HTMLSelectElement);
  #speed = byId("setting-speed", HTMLInputElement);
  #volume = byId("setting-volume", HTMLInputElement);
  #loudspeaker = byId("setting-loudspeaker", HTMLSelectElement);
  #listen = byId("voice-listen", HTMLButtonElement);
  /** @type {ServerVoice[]} */
  #voices = [];

  /**
   * @param {import("../lib/voice-session.js").VoiceSession} session
   * @param {import("../lib/server.js").Server} server
   */
  constructor(session, server) {
    this.#session = session;
    this.#preview = new VoicePreview(this.#listen, byId("voice-status", HTMLElement), server, session.audio.loudspeaker);
    this.#listen.addEventListener("click", () => this.#toggle());
    for (const range of [this.#speed, this.#volume]) range.addEventListener("input", () => this.#showValues());
    this.#volume.addEventListener("input", () => session.audio.loudspeaker.setVolume(this.#volume.valueAsNumber));
  }

  /** Show what is chosen, before it is known what the server has. */
  show() {
    const { voice, speed, volume } = this.#session.options;
    showChoices(this.#voice, [{ value: "", text: "Server default" }], voice);
    this.#speed.value = String(speed);
    this.#volume.value = String(volume);
    this.#listen.hidden = true;
    this.#showValues();
    void this.fillLoudspeakers();
  }

  /**
   * @param {Capabilities} capabilities
   * @param {ServerVoice[]} voices
   */
  fill(capabilities, voices) {
    const { voice, speed } = this.#session.options;
    this.#voices = voices;
    showChoices(this.#voice, voiceChoices(capabilities, voices), voice);
    this.#listen.hidden = voices.length === 0;
    const { min, max } = speedRange(capabilities.synthesizer);
    Object.assign(this.#speed, { min: String(min), max: String(max), disabled: min === max });
    this.#speed.value = String(speed);
    this.#showValues();
  }

  async fillLoudspeakers() {
    const found = await listLoudspeakers();
    const { loudspeaker } = this.#session.options;
    const label = this.#loudspeaker.closest("label");
    if (label) label.hidden = !Loudspeaker.isSelectable;
    const named = found.map(({ deviceId, label }, i) => ({ value: deviceId, text: label || `Loudspeaker ${i + 1}` }));
    showChoices(this.#loudspeaker, [{ value: "", text: "System default" }, ...named], loudspeaker);
    byId("loudspeaker-hint", HTMLElement).hidden = !Loudspeaker.isSelectable || found.length > 0;
  }

  /** The dialog is closed. */
  stop() {
    this.#preview.stop();
  }

  #toggle() {
    if (this.#preview.isPlaying) return this.#preview.stop();
    const chosen = this.#voices.find(({ id }) => id === this.#voice.value) ?? this.#voices[0];
    if (chosen) void this.#preview.play(chosen.id, this.#speed.valueAsNumber);
  }

  #showValues() {
    byId("speed-value", HTMLOutputElement).value = `${this.#speed.value}×`;
    byId("volume-value", HTMLOutputElement).value = `${Math.round(this.#volume.valueAsNumber * 100)} %`;
  }
}
