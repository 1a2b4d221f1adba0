/** When a lost connection is tried again, and when no longer. Pure: chance comes in as a number. */

const FIRST_MS = 500;
const LONGEST_MS = 15_000;
const GIVE_UP_MS = 180_000; // three minutes of waiting: a network that is down for one comes back well within it

export class Backoff {
  #waited = 0;
  attempt = 0;

  /**
   * How long to wait before the next attempt, in ms; null when it is time to give up.
   *
   * @param {number} random  0 to 1; spreads clients that lost the same server at the same moment
   * @returns {number | null}
   */
  next(random) {
    if (this.#waited >= GIVE_UP_MS) return null;
    const delay = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.attempt) * (0.75 + random / 2);
    this.attempt += 1;
    this.#waited += delay;
    return Math.round(delay);
  }

  /** A connection held: the next loss starts from the beginning. */
  reset() {
    this.#waited = 0;
    this.attempt = 0;
  }
}
