import { Emitter } from "./emitter.js";
import { Problem } from "./problems.js";

/**
 * @typedef {object} Output  something of the page that sounds
 * @property {(volume: number) => void} setVolume  0 to 1
 * @property {(deviceId: string) => Promise<void>} setDevice  empty: the system's default; rejects if it is not there
 */

/**
 * Where the page sounds, and how loud. While the chosen device is not there, the system's default takes its place.
 *
 * @extends {Emitter<{problem: Problem}>}
 */
export class Loudspeaker extends Emitter {
  /** Whether the browser can send every sound of a page to a chosen device. */
  static isSelectable =
    typeof AudioContext !== "undefined" && "setSinkId" in AudioContext.prototype && "setSinkId" in HTMLMediaElement.prototype;

  #deviceId = "";
  #volume = 1;
  #isMissing = false;
  #isTold = false;
  /** @type {Set<Output>} */
  #outputs = new Set();

  constructor() {
    super();
    globalThis.navigator?.mediaDevices?.addEventListener?.("devicechange", () => this.check());
  }

  /**
   * @param {{loudspeaker: string, volume: number}} options
   */
  async choose({ loudspeaker, volume }) {
    this.setVolume(volume);
    if (loudspeaker === this.#deviceId) return;
    this.#deviceId = loudspeaker;
    this.#isMissing = this.#isTold = false;
    await this.#send(...this.#outputs);
  }

  /** @param {number} volume  0 to 1 */
  setVolume(volume) {
    this.#volume = Math.min(1, Math.max(0, volume));
    for (const output of this.#outputs) output.setVolume(this.#volume);
  }

  /** @param {Output} output */
  async add(output) {
    this.#outputs.add(output);
    output.setVolume(this.#volume);
    if (this.#deviceId && !this.#isMissing) await this.#send(output);
  }

  /** @param {Output} output  it sounds no more */
  remove(output) {
    this.#outputs.delete(output);
  }

  /** @param {...Output} outputs */
  async #send(...outputs) {
    if (!Loudspeaker.isSelectable) return;
    const deviceId = this.#deviceId;
    const sent = await Promise.allSettled(outputs.map((output) => output.setDevice(deviceId)));
    if (deviceId === this.#deviceId && sent.some(({ status }) => status === "rejected")) await this.#useDefault();
  }

  /** Find out which devices there are now: one was plugged in or out, or a microphone was allowed. */
  async check() {
    if (!this.#deviceId || !Loudspeaker.isSelectable) return;
    const known = await listLoudspeakers();
    if (known.length === 0) return; // the browser does not tell
    if (!known.some(({ deviceId }) => deviceId === this.#deviceId)) return this.#useDefault();
    if (!this.#isMissing) return;
    this.#isMissing = this.#isTold = false;
    await this.#send(...this.#outputs);
  }

  async #useDefault() {
    this.#isMissing = true;
    await Promise.allSettled([...this.#outputs].map((output) => output.setDevice("")));
    const isKnown = (await listLoudspeakers()).length > 0;
    if (!isKnown || this.#isTold) return;
    this.#isTold = true;
    this.emit(
      "problem",
      new Problem("loudspeaker_changed", "The chosen loudspeaker isn't there.", "Sound comes from the system default."),
    );
  }
}

/**
 * List the loudspeakers that can be chosen. There are none until the user has allowed a microphone.
 *
 * @returns {Promise<MediaDeviceInfo[]>}
 */
export async function listLoudspeakers() {
  if (!Loudspeaker.isSelectable) return [];
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.filter(({ kind, deviceId }) => kind === "audiooutput" && deviceId && deviceId !== "default");
}

/**
 * @param {HTMLMediaElement} element
 * @returns {Output}
 */
export function elementOutput(element) {
  return {
    setVolume: (volume) => (element.volume = volume),
    setDevice: (deviceId) => element.setSinkId(deviceId),
  };
}

/**
 * Play an element to its end. Rejects with a `Problem`; Firefox begins, and then fails, where there is no loudspeaker.
 *
 * @param {HTMLMediaElement} element
 * @param {AbortSignal} signal  ends the wait
 * @returns {Promise<void>}
 */
export function playToEnd(element, signal) {
  return new Promise((resolve, reject) => {
    const failed = () => reject(new Problem("unplayable", "Your browser couldn't play it. Is a loudspeaker connected?", ""));
    signal.addEventListener("abort", () => resolve());
    element.onended = () => resolve();
    element.onerror = failed;
    element.play().catch(failed);
  });
}

/**
 * @param {AudioContext} context
 * @param {GainNode} gain  through which all of its sound goes
 * @returns {Output}
 */
export function contextOutput(context, gain) {
  return {
    setVolume: (volume) => gain.gain.setTargetAtTime(volume, context.currentTime, 0.02),
    setDevice: async (deviceId) => {
      const wasRunning = context.state === "running";
      await context.setSinkId(deviceId);
      // The browser stops a context whose device is gone.
      if (!deviceId && !wasRunning) void context.resume().catch(() => {});
    },
  };
}
