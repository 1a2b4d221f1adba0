/**
 * The dialog in which a user tries the microphone before talking. It opens the microphone when its button is pressed, and
 * closes it with the dialog. Nothing leaves the browser.
 */

import { showChoices } from "../lib/choices.js";
import { loadStyle } from "../lib/load-style.js";
import { elementOutput, playToEnd } from "../lib/loudspeaker.js";
import { listMicrophones, openMicrophone } from "../lib/microphone.js";
import { asProblem } from "../lib/problems.js";
import { byId } from "../lib/elements.js";
import { LevelWatch } from "./level-watch.js";
import { keepPreferences } from "./preferences.js";

const TICK_MS = 50;
const RECORD_MS = 3000;

/** @type {Record<import("./level-watch.js").Verdict, string>} */
const HINTS = {
  waiting: "Say something.",
  heard: "Your microphone works.",
  nothing: "Nothing heard for some seconds. Is the right microphone chosen, and is it close enough?",
  silent: "This microphone sends no sound at all. It may be muted by a switch, or in the system's settings.",
  clipping: "Too loud: your voice is distorted. Move away from the microphone, or turn it down.",
};

export class MicrophoneCheck {
  #dialog = byId("microphone-check", HTMLDialogElement);
  #device = byId("check-device", HTMLSelectElement);
  #meter = byId("check-level", HTMLMeterElement);
  #hint = byId("check-hint", HTMLElement);
  #start = byId("check-start", HTMLButtonElement);
  #record = byId("check-record", HTMLButtonElement);
  #session;
  /** @type {AbortController | null} of the microphone that is open, or opening */
  #open = null;

  /** @param {import("../lib/voice-session.js").VoiceSession} session */
  constructor(session) {
    this.#session = session;
    this.#start.addEventListener("click", () => this.#listen());
    this.#device.addEventListener("change", () => {
      const deviceId = this.#device.value;
      keepPreferences({ deviceId });
      session.configure({ deviceId });
      void this.#listen();
    });
    this.#dialog.addEventListener("close", () => this.#close());
  }

  async open() {
    this.#show(false);
    this.#hint.textContent = "Your browser may ask whether this page may use the microphone. The sound stays on this device.";
    await loadStyle(new URL("./microphone-check.css", import.meta.url));
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  async #listen() {
    this.#close();
    const open = new AbortController();
    this.#open = open;
    try {
      const stream = await openMicrophone({ deviceId: this.#device.value });
      const stop = () => stream.getTracks().forEach((track) => track.stop());
      open.signal.addEventListener("abort", stop);
      if (open.signal.aborted) return stop();
      await this.#listDevices(stream);
      this.#show(true);
      this.#record.onclick = () => this.#playBack(stream, open.signal);
      await this.#watch(stream, open.signal);
    } catch (error) {
      const { message, advice } = asProblem(error);
      if (!open.signal.aborted) this.#hint.textContent = `${message} ${advice}`;
    }
  }

  /** @param {MediaStream} stream */
  async #listDevices(stream) {
    const found = await listMicrophones();
    const named = found.map(({ deviceId, label }, i) => ({ value: deviceId, text: label || `Microphone ${i + 1}` }));
    const used = stream.getAudioTracks()[0]?.getSettings().deviceId ?? "";
    const chosen = named.some(({ value }) => value === used) ? used : (named[0]?.value ?? "");
    showChoices(this.#device, named, chosen);
  }

  /**
   * @param {MediaStream} stream
   * @param {AbortSignal} signal
   */
  async #watch(stream, signal) {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const watch = new LevelWatch(performance.now());
    let told = "";
    const ticks = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const { level, verdict } = watch.take(samples, performance.now());
      this.#meter.value = level;
      if (verdict !== told) this.#hint.textContent = HINTS[verdict];
      told = verdict;
    }, TICK_MS);
    signal.addEventListener("abort", () => {
      clearInterval(ticks);
      void context.close();
    });
    await context.resume();
  }

  /**
   * Record some seconds, and play them.
   *
   * @param {MediaStream} stream
   * @param {AbortSignal} signal
   */
  async #playBack(stream, signal) {
    this.#record.disabled = true;
    try {
      this.#record.textContent = "Recording…";
      const recording = await record(stream, signal);
      this.#record.textContent = "Playing…";
      await this.#play(recording, signal);
    } catch (error) {
      if (!signal.aborted) this.#hint.textContent = `That couldn't be played. ${asProblem(error).message}`;
    }
    this.#record.textContent = "Record 3 seconds";
    this.#record.disabled = false;
  }

  /**
   * @param {Blob} recording
   * @param {AbortSignal} signal
   */
  async #play(recording, signal) {
    const { loudspeaker } = this.#session.audio;
    const url = URL.createObjectURL(recording);
    const audio = new Audio(url);
    const output = elementOutput(audio);
    try {
      await loudspeaker.add(output);
      if (!signal.aborted) await playToEnd(audio, signal);
    } finally {
      audio.pause();
      loudspeaker.remove(output);
      URL.revokeObjectURL(url);
    }
  }

  #close() {
    this.#open?.abort();
    this.#open = null;
  }

  /** @param {boolean} open  whether there is something to see */
  #show(open) {
    this.#start.hidden = open;
    const label = this.#device.closest("label");
    if (label) label.hidden = !open;
    this.#meter.hidden = !open;
    this.#record.hidden = !open || typeof MediaRecorder === "undefined";
  }
}

/**
 * @param {MediaStream} stream
 * @param {AbortSignal} signal  ends it early
 * @returns {Promise<Blob>}
 */
function record(stream, signal) {
  return new Promise((resolve, reject) => {
    const recorder = new MediaRecorder(stream);
    recorder.ondataavailable = ({ data }) => resolve(data);
    recorder.onerror = () => reject(new Error("The browser cannot record it."));
    const stop = () => recorder.state === "inactive" || recorder.stop();
    signal.addEventListener("abort", stop);
    setTimeout(stop, RECORD_MS);
    recorder.start();
  });
}
