/** Plays a sentence in a voice, so that it can be chosen by ear. */

import { elementOutput, playToEnd } from "../lib/loudspeaker.js";
import { asProblem } from "../lib/problems.js";

export class VoicePreview {
  #button;
  #status;
  #server;
  #loudspeaker;
  /** @type {AbortController | null} of what is loading or playing */
  #playing = null;

  /**
   * @param {HTMLButtonElement} button  starts and stops
   * @param {HTMLElement} status  where a failure is told
   * @param {import("../lib/server.js").Server} server
   * @param {import("../lib/loudspeaker.js").Loudspeaker} loudspeaker
   */
  constructor(button, status, server, loudspeaker) {
    this.#button = button;
    this.#status = status;
    this.#server = server;
    this.#loudspeaker = loudspeaker;
    this.#show();
  }

  get isPlaying() {
    return this.#playing !== null;
  }

  /**
   * @param {string} voice  its id
   * @param {number} speed
   */
  async play(voice, speed) {
    this.stop();
    const playing = new AbortController();
    this.#playing = playing;
    this.#status.textContent = "";
    this.#show();
    try {
      const path = `v1/audio/voices/${encodeURIComponent(voice)}/preview?${new URLSearchParams({ speed: String(speed) })}`;
      const response = await this.#server.fetch(path, { signal: playing.signal });
      await this.#sound(await response.blob(), playing.signal);
    } catch (error) {
      if (!playing.signal.aborted) this.#status.textContent = `The voice can't be heard now. ${asProblem(error).message}`;
    }
    if (this.#playing === playing) this.stop();
  }

  stop() {
    this.#playing?.abort();
    this.#playing = null;
    this.#show();
  }

  /**
   * @param {Blob} blob
   * @param {AbortSignal} signal
   */
  async #sound(blob, signal) {
    const url = URL.createObjectURL(blob);
    const audio = new Audio(url);
    const output = elementOutput(audio);
    try {
      await this.#loudspeaker.add(output);
      if (!signal.aborted) await playToEnd(audio, signal);
    } finally {
      audio.pause();
      this.#loudspeaker.remove(output);
      URL.revokeObjectURL(url);
    }
  }

  #show() {
    this.#button.textContent = this.isPlaying ? "Stop" : "Listen";
    this.#button.setAttribute("aria-label", this.isPlaying ? "Stop the voice" : "Listen to the voice");
  }
}
