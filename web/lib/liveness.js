/** Decides whether a connection still works: asks after a silence, and reports a loss without an answer. Pure. */

const SILENCE_MS = 5000;
const ANSWER_MS = 10_000; // a network that recovers within seconds delivers what was sent meanwhile

export class Liveness {
  #heard = true;
  #heardAt = 0;
  /** @type {number | null} */
  #askedAt = null;

  /** Note that something arrived. */
  heard() {
    this.#heard = true;
  }

  /**
   * Decide what to do now. Any time may pass between two checks, because browsers suspend hidden pages.
   *
   * @param {number} now  ms
   * @returns {"alive" | "ask" | "waiting" | "lost"} `ask`: send something that is answered
   */
  check(now) {
    if (this.#heard) {
      this.#heard = false;
      this.#heardAt = now;
      this.#askedAt = null;
    }
    if (this.#askedAt !== null) return now - this.#askedAt >= ANSWER_MS ? "lost" : "waiting";
    if (now - this.#heardAt < SILENCE_MS) return "alive";
    this.#askedAt = now;
    return "ask";
  }
}
