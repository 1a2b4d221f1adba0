import { Emitter } from "./emitter.js";
import { choosePath } from "./path.js";

/** @typedef {import("./path.js").Facts} Facts */

const FAILURES_LIMIT = 2; // recognitions in a row that may fail before the browser takes over

/**
 * Collects what is available and what fails, and emits the resulting path.
 *
 * @extends {Emitter<{path: import("./path.js").Path}>}
 */
export class PathFinder extends Emitter {
  #facts;
  #failures = 0;

  /** @param {Facts} facts */
  constructor(facts) {
    super();
    this.#facts = { ...facts };
    this.path = choosePath(this.#facts);
  }

  /** Capabilities of the server; null: it cannot be reached. */
  get server() {
    return this.#facts.server;
  }

  /** @param {Partial<Facts>} facts */
  learn(facts) {
    Object.assign(this.#facts, facts);
    this.path = choosePath(this.#facts);
    this.emit("path", this.path);
  }

  /** @param {import("./connection.js").Chosen} chosen */
  connected({ name, codec, reasons }) {
    this.learn({ transport: name, codec, transportReasons: reasons });
  }

  /**
   * Note a transcript of the server's recogniser, or its failure.
   *
   * @param {import("./transcript.js").ServerEvent} event
   * @returns {boolean} whether the server's recogniser is given up
   */
  take({ type, error }) {
    if (type === "conversation.item.input_audio_transcription.completed") this.#failures = 0;
    if (type !== "conversation.item.input_audio_transcription.failed") return false;
    this.#failures += 1;
    if (this.#failures !== FAILURES_LIMIT) return false;
    const why = (error?.message ?? "no reason given").replace(/\.$/, "");
    this.learn({ hearingFailed: `The server's recogniser failed (${why})` });
    return true;
  }
}
