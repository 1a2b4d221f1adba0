/** Decides when to retry a lost connection, and when to stop. Pure: the caller passes random numbers. */

const FIRST_MS = 500;
const MAX_DELAY_MS = 15_000;
const GIVE_UP_MS = 180_000; // well above the usual time of a network failure

export class Backoff {
  #waited = 0;
  attempt = 0;

  /**
   * How long to wait before the next attempt, in ms; null when it is time to give up.
   *
   * @param {number} random  0 to 1; spreads the retries of clients that lost the same server
   * @returns {number | null}
   */
  next(random) {
    if (this.#waited >= GIVE_UP_MS) return null;
    const delay = Math.min(MAX_DELAY_MS, FIRST_MS * 2 ** this.attempt) * (0.75 + random / 2);
    this.attempt += 1;
    this.#waited += delay;
    return Math.round(delay);
  }

  /** Reset after a stable connection: the next loss starts with the shortest delay. */
  reset() {
    this.#waited = 0;
    this.attempt = 0;
  }
}
