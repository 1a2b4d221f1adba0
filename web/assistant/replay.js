/** Speaks a reply again, with the server's voice. The microphone is off meanwhile, or the reply would be taken for a question. */

import { SAMPLE_RATE } from "../lib/pcm.js";
import { asProblem } from "../lib/problems.js";
import { Speaker } from "../lib/speaker.js";
import { inParts, PcmJoiner } from "./replay-parts.js";

/** @typedef {import("../lib/transcript.js").Message} Message */
/** @typedef {{id: string, stop: AbortController, unmutes: boolean}} Playing */

const MAX_AHEAD_MS = 10_000; // of audio that waits to be played; more is not read from the server
const ENDS_IT = ["listening", "hearing", "thinking", "replying", "speaking", "idle"];

export class Replay {
  #session;
  #server;
  #changed;
  /** @type {Playing | null} */
  #playing = null;

  /**
   * @param {import("../lib/voice-session.js").VoiceSession} session
   * @param {import("../lib/server.js").Server} server
   * @param {(id: string) => void} changed  takes the id of the message that is played; empty: none is
   */
  constructor(session, server, changed) {
    this.#session = session;
    this.#server = server;
    this.#changed = changed;
    session.on("activity", (activity) => ENDS_IT.includes(activity) && this.#end());
  }

  /**
   * Play a reply. If it is played already, stop it.
   *
   * @param {Message} message
   */
  async toggle({ id, text }) {
    const stops = this.#playing?.id === id;
    this.#end();
    if (stops) return;
    const session = this.#session;
    session.interrupt();
    const unmutes = session.listens && session.options.mode === "hands-free";
    if (unmutes) session.setMuted(true);
    const playing = { id, stop: new AbortController(), unmutes };
    this.#playing = playing;
    this.#changed(id);
    try {
      await this.#speak(id, text, playing.stop.signal);
    } catch (error) {
      if (!playing.stop.signal.aborted) session.emit("problem", asProblem(error));
    }
    if (this.#playing === playing) this.#end();
  }

  #end() {
    const playing = this.#playing;
    if (playing === null) return;
    this.#playing = null;
    playing.stop.abort();
    this.#changed("");
    if (playing.unmutes && this.#session.active && this.#session.muted) this.#session.setMuted(false);
  }

  /**
   * Resolves when all was played.
   *
   * @param {string} id
   * @param {string} text
   * @param {AbortSignal} signal
   */
  async #speak(id, text, signal) {
    const { audio } = this.#session;
    await audio.unlock();
    signal.throwIfAborted();
    const speaker = new Speaker(audio);
    const queue = new PlayedQueue(speaker, id, signal);
    signal.addEventListener("abort", () => speaker.close());
    try {
      for (const part of inParts(text)) {
        const { body } = await this.#ask(part, signal);
        for await (const pcm of samples(body)) await queue.add(pcm);
      }
      await queue.finished();
    } finally {
      speaker.close();
    }
  }

  /**
   * @param {string} input
   * @param {AbortSignal} signal
   */
  #ask(input, signal) {
    const { voice, speed } = this.#session.options;
    const body = JSON.stringify({ model: "tts-1", input, voice, speed, response_format: "pcm" });
    const headers = { "Content-Type": "application/json" };
    return this.#server.fetch("v1/audio/speech", { method: "POST", headers, body, signal });
  }
}

/** Gives audio to a speaker, and waits while enough of it waits to be played. */
class PlayedQueue {
  #speaker;
  #id;
  #signal;
  #givenMs = 0;
  #playedMs = 0;
  #ended = false;
  #progressed = () => {};

  /**
   * @param {Speaker} speaker
   * @param {string} id
   * @param {AbortSignal} signal
   */
  constructor(speaker, id, signal) {
    this.#speaker = speaker;
    this.#id = id;
    this.#signal = signal;
    speaker.on("progress", ({ ms, ended }) => {
      this.#playedMs = ms;
      this.#ended = ended;
      this.#progressed();
    });
    signal.addEventListener("abort", () => this.#progressed());
  }

  /** @param {Int16Array<ArrayBuffer>} pcm */
  async add(pcm) {
    this.#givenMs += (pcm.length / SAMPLE_RATE) * 1000;
    this.#speaker.play(this.#id, pcm);
    while (this.#givenMs - this.#playedMs > MAX_AHEAD_MS) await this.#progress();
  }

  async finished() {
    if (this.#givenMs === 0) return;
    this.#speaker.finish(this.#id);
    while (!this.#ended) await this.#progress();
  }

  async #progress() {
    await new Promise((/** @type {(value: void) => void} */ resolve) => (this.#progressed = resolve));
    this.#signal.throwIfAborted();
  }
}

/**
 * @param {ReadableStream<Uint8Array<ArrayBuffer>> | null} body  16-bit samples
 * @returns {AsyncGenerator<Int16Array<ArrayBuffer>>}
 */
async function* samples(body) {
  const reader = body?.getReader();
  const joiner = new PcmJoiner();
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) yield joiner.add(read.value);
}
