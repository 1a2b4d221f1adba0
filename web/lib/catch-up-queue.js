/**
 * Audio that was said before its track is heard, and then what is said: played from the beginning, as it was said, with
 * pauses shortened until it has caught up. Pure.
 */

const KEPT_PAUSE_BLOCKS = 12; // of 20 ms: a shorter pause stays as it is, and no turn ends in what is left of a longer one
const MIN_SILENCE = 0.001; // RMS of -60 dBFS; what is quieter is silence in any room
const MAX_SILENCE = 0.01; // -40 dBFS; what is louder is taken for speech in any room
const ABOVE_FLOOR = 2.5; // louder than the quietest block by this factor is no silence
const FLOOR_RISE = 1.005; // of each block: a room that gets louder is silent again after a while
const MAX_STARVING = 20; // reads in a row that find nothing, about 100 ms: nothing more is said into this track

/** @typedef {{samples: Float32Array, rms: number}} Block */

export class CatchUpQueue {
  /** @type {Block[]} */
  #blocks = [];
  /** @type {Float32Array} */
  #playing = new Float32Array(0); // what is left of the block that is being played
  #floor = 1;
  #pause = 0; // silent blocks in a row that were played
  #starving = 0; // reads in a row that found nothing

  /** @param {Float32Array} samples  20 ms */
  push(samples) {
    const rms = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
    this.#floor = Math.min(rms, this.#floor * FLOOR_RISE);
    this.#blocks.push({ samples, rms });
  }

  /** Whether all was played, up to a pause: now it makes no difference to hear the microphone itself. */
  get caughtUp() {
    return this.#blocks.length + this.#playing.length === 0 && (this.#pause > 0 || this.#starving > MAX_STARVING);
  }

  /**
   * Fill `output` with what comes next; with silence if there is nothing.
   *
   * @param {Float32Array} output
   */
  read(output) {
    let filled = 0;
    while (filled < output.length) {
      if (this.#playing.length === 0 && !this.#begin()) break;
      const piece = this.#playing.subarray(0, output.length - filled);
      output.set(piece, filled);
      filled += piece.length;
      this.#playing = this.#playing.subarray(piece.length);
    }
    this.#starving = filled > 0 ? 0 : this.#starving + 1;
    output.fill(0, filled);
  }

  /** Begin the next block that cannot be left out. @returns {boolean} whether there was one */
  #begin() {
    let block = this.#blocks.shift();
    while (block && this.#isSpare(block)) block = this.#blocks.shift();
    if (block) this.#playing = block.samples;
    return block !== undefined;
  }

  /**
   * Whether it belongs to a pause that is long enough without it.
   *
   * @param {Block} block
   */
  #isSpare({ rms }) {
    const silence = Math.min(MAX_SILENCE, Math.max(MIN_SILENCE, this.#floor * ABOVE_FLOOR));
    if (rms > silence) this.#pause = 0;
    else if (this.#pause >= KEPT_PAUSE_BLOCKS) return true;
    else this.#pause += 1;
    return false;
  }
}
