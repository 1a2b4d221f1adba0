/** Names what a session is doing, in one word. Pure. */

import { Emitter } from "./emitter.js";

/**
 * `paused`: connected, but nothing is heard (muted, push-to-talk, or no microphone); `held`: the reply is silent while the
 * server decides whether it was interrupted
 *
 * @typedef {"idle" | "connecting" | "listening" | "hearing" | "thinking" | "replying" | "speaking" | "held" |
 *   "paused" | "reconnecting"} Activity
 */

/**
 * @typedef {object} Doing
 * @property {"idle" | "connecting" | "open" | "reconnecting"} connection
 * @property {boolean} listening  microphone audio goes to the recogniser
 * @property {boolean} hearing  the user speaks
 * @property {boolean} answering  a turn ended and its answer is not complete
 * @property {boolean} [replying]  words of that answer have come
 * @property {boolean} playing  audio of the server
 * @property {boolean} speaking  the browser's own voice
 * @property {boolean} held
 */

/**
 * @param {Doing} doing
 * @returns {Activity}
 */
export function activity(doing) {
  if (doing.connection !== "open") return doing.connection;
  if (doing.held) return "held";
  if (doing.hearing) return "hearing";
  if (doing.playing || doing.speaking) return "speaking";
  if (doing.answering) return doing.replying ? "replying" : "thinking";
  return doing.listening ? "listening" : "paused";
}

/**
 * Returns the changes that a server event makes to it.
 *
 * @param {import("./transcript.js").ServerEvent} event
 * @returns {Partial<Doing>}
 */
export function changeBy(event) {
  switch (event.type) {
    case "input_audio_buffer.speech_started":
      return { hearing: true };
    case "input_audio_buffer.speech_stopped":
      return { hearing: false };
    case "response.created":
      return { answering: true, replying: false };
    case "response.output_text.delta":
      return { replying: true };
    default:
      return {};
  }
}

/**
 * Tracks what a session is doing, and emits `activity` when it changes.
 *
 * @extends {Emitter<{activity: Activity}>}
 */
export class ActivityTracker extends Emitter {
  /** @type {Doing} */
  #doing = {
    connection: "idle",
    listening: false,
    hearing: false,
    answering: false,
    playing: false,
    speaking: false,
    held: false,
  };
  /** @type {Activity} */
  #activity = "idle";

  get doing() {
    return this.#doing;
  }

  /** Whether the user speaks, or an answer is in progress. */
  get busy() {
    const { hearing, answering, held } = this.#doing;
    return hearing || answering || this.sounding || held;
  }

  /** Whether a reply is heard, or would be if it were not held. */
  get sounding() {
    return this.#doing.playing || this.#doing.speaking;
  }

  /** Reset: nobody speaks and no answer is expected. */
  quiet() {
    this.change({ hearing: false, answering: false, playing: false, speaking: false, held: false });
  }

  /** @param {Partial<Doing>} change */
  change(change) {
    this.#doing = { ...this.#doing, ...change };
    const now = activity(this.#doing);
    if (now === this.#activity) return;
    this.#activity = now;
    this.emit("activity", now);
  }
}
