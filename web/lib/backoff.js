/** Decides when to retry a lost connection, and when to stop. Pure: the caller passes random numbers. */

const FIRST_MS = 500;
const MAX_DELAY_MS = 15_000;
const GIVE_UP_MS = 180_000; // well above the usual time of a network failure

/**
 * @typedef {object} BackoffOptions
 * @property {number} [maxDelayMs]  longest delay, before it is spread
 * @property {number} [giveUpMs]  give up after delays of this sum
 */

export class Backoff {
  #waited = 0;
  #maxDelayMs;
  #giveUpMs;
  attempt = 0;

  /** @param {BackoffOptions} [options] */
  constructor({ maxDelayMs = MAX_DELAY_MS, giveUpMs = GIVE_UP_MS } = {}) {
    this.#maxDelayMs = maxDelayMs;
    this.#giveUpMs = giveUpMs;
  }

  /**
   * How long to wait before the next attempt, in ms; null when it is time to give up.
   *
   * @param {number} random  0 to 1; spreads the retries of clients that lost the same server
   * @returns {number | null}
   */
  next(random) {
    if (this.#waited >= this.#giveUpMs) return null;
    const delay = Math.min(this.#maxDelayMs, FIRST_MS * 2 ** this.attempt) * (0.75 + random / 2);
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
