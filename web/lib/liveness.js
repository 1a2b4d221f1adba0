/** Whether a connection still carries anything: asks after a silence, and gives up when no answer comes. Pure. */

const SILENCE_MS = 5000;
const ANSWER_MS = 10_000; // a network that comes back within seconds delivers what was sent meanwhile

export class Liveness {
  #heard = true;
  #heardAt = 0;
  /** @type {number | null} */
  #askedAt = null;

  /** Something came from the other side. */
  heard() {
    this.#heard = true;
  }

  /**
   * What to do now. Between two checks any time may pass: browsers let pages that are not seen sleep.
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
