/** When the session in use is replaced, because it is about to end: in a quiet moment, or at the last one. Pure. */

const QUIET_MS = 800; // nobody has said anything for so long: the turn is over
const MAX_RESERVE_MS = 8000; // before the end; what a new connection may take

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
   * What to do now.
   *
   * @param {number} now  ms
   * @param {boolean} quiet  nobody speaks, is answered, or waits for an answer
   * @param {boolean} [pause]  there is a pause between two words at which what is said may be split
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
   * A replacement failed: leave the server alone for a while.
   *
   * @param {number} now  ms
   */
  failed(now) {
    this.#waitUntil = now + 2000;
  }
}
