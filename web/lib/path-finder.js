import { Emitter } from "./emitter.js";
import { choosePath } from "./path.js";

/** @typedef {import("./path.js").Facts} Facts */

const FAILURES_LIMIT = 2; // recognitions in a row that may fail before the browser takes over

/**
 * Learns what is there and what fails, and says which path that leaves.
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

  /** What the server has; null: it cannot be reached. */
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
   * The server's recogniser gave a transcript, or failed to.
   *
   * @param {string} failure  empty: it worked
   * @returns {boolean} whether it is given up
   */
  recognised(failure) {
    this.#failures = failure ? this.#failures + 1 : 0;
    if (this.#failures !== FAILURES_LIMIT) return false;
    this.learn({ hearingFailed: `The server's recogniser failed (${failure.replace(/\.$/, "")})` });
    return true;
  }
}
