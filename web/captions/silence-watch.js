/** Notices that nothing is heard, from the levels of a meter. Pure. */

const QUIET = 0.15; // level of an open microphone in a quiet room, and of one that is switched off
const PATIENCE_MS = 6000;

export class SilenceWatch {
  #heardAt = 0;

  /** @param {number} nowMs */
  start(nowMs) {
    this.#heardAt = nowMs;
  }

  /**
   * @param {number} level  0 to 1
   * @param {number} nowMs
   * @returns {boolean} whether nothing has been heard for long
   */
  push(level, nowMs) {
    if (level > QUIET) this.#heardAt = nowMs;
    return nowMs - this.#heardAt > PATIENCE_MS;
  }
}
