/** Decides when to replace a session that is about to end: in a quiet moment, else at the last moment. Pure. */

const QUIET_MS = 800; // silence after which the turn is over
const MAX_RESERVE_MS = 8000; // before the end: longest time of a new connection

export class Expiry {
  #endsAt;
  #lastChanceAt;
  #pauseEnoughAt;
  /** @type {number | null} */
  #quietSince = null;
  #waitUntil = 0;

  /**
   * @param {number} now  ms
   * @param {number} leftMs  until the session ends
   */
  constructor(now, leftMs) {
    this.#endsAt = now + leftMs;
    this.#lastChanceAt = this.#endsAt - Math.min(MAX_RESERVE_MS, leftMs / 2);
    this.#pauseEnoughAt = (now + this.#lastChanceAt) / 2;
  }

  /**
   * Decide what to do now.
   *
   * @param {number} now  ms
   * @param {boolean} quiet  nobody speaks, and no answer is in progress or pending
   * @param {boolean} [pause]  there is a pause between two words at which the utterance may be split
   * @returns {"stay" | "replace" | "replace_at_once"} `replace_at_once`: although it is not quiet
   */
  check(now, quiet, pause = false) {
    if (!quiet) this.#quietSince = null;
    else this.#quietSince ??= now;
    if (now < this.#waitUntil) return "stay";
    if (this.#quietSince !== null && now - this.#quietSince >= QUIET_MS) return "replace";
    return now >= (pause ? this.#pauseEnoughAt : this.#lastChanceAt) ? "replace_at_once" : "stay";
  }

  /**
   * Whether the session has ended, or ends within a moment.
   *
   * @param {number} now  ms
   */
  isDue(now) {
    return now >= this.#endsAt - 1000;
  }

  /**
   * A replacement failed: wait for a while before the next.
   *
   * @param {number} now  ms
   */
  failed(now) {
    this.#waitUntil = now + 2000;
  }
}
