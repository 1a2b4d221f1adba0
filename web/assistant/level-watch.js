/** What the level of a microphone says about it. Pure. */

/** @typedef {"waiting" | "heard" | "nothing" | "silent" | "clipping"} Verdict  `silent`: not even noise comes from it */

const AUDIBLE = 0.01; // RMS of quiet speech
const CLIPPED = 0.99; // a sample at the limit
const PATIENCE_MS = 4000;
const CLIPPING_MS = 2000;
const MIN_CLIPPED_BLOCKS = 3; // a knock on the table is one
const FLOOR_DB = -60;

export class LevelWatch {
  #heardAt;
  #everHeard = false;
  #hasNoise = false;
  /** @type {number[]} times of the last blocks that were too loud */
  #clippedAt = [];

  /** @param {number} now  ms */
  constructor(now) {
    this.#heardAt = now;
  }

  /**
   * @param {Float32Array<ArrayBuffer>} samples  -1 to 1
   * @param {number} now  ms
   * @returns {{level: number, verdict: Verdict}} `level`: 0 to 1, for a meter
   */
  take(samples, now) {
    let peak = 0;
    let squares = 0;
    for (const sample of samples) {
      peak = Math.max(peak, Math.abs(sample));
      squares += sample * sample;
    }
    const rms = Math.sqrt(squares / samples.length);
    if (peak > 0) this.#hasNoise = true;
    if (rms >= AUDIBLE) {
      this.#heardAt = now;
      this.#everHeard = true;
    }
    if (peak >= CLIPPED) this.#clippedAt = [...this.#clippedAt, now].slice(-MIN_CLIPPED_BLOCKS);
    const decibels = rms > 0 ? 20 * Math.log10(rms) : FLOOR_DB;
    return { level: Math.min(1, Math.max(0, 1 - decibels / FLOOR_DB)), verdict: this.#verdict(now) };
  }

  /** @param {number} now */
  #verdict(now) {
    const [first = -Infinity] = this.#clippedAt;
    if (this.#clippedAt.length === MIN_CLIPPED_BLOCKS && now - first < CLIPPING_MS) return "clipping";
    if (now - this.#heardAt < PATIENCE_MS) return this.#everHeard ? "heard" : "waiting";
    return this.#hasNoise ? "nothing" : "silent";
  }
}
