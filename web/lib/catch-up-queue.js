/**
 * Plays speech from before a track was connected, then live speech, with pauses shortened until it has caught up.
 * Pure.
 */

const KEPT_PAUSE_BLOCKS = 12; // of 20 ms: shorter pauses are kept, longer ones are cut to this, too short to end a turn
const MIN_SILENCE = 0.001; // RMS of -60 dBFS; quieter blocks are silence in any room
const MAX_SILENCE = 0.01; // -40 dBFS; louder blocks count as speech in any room
const ABOVE_FLOOR = 2.5; // a block louder than the quietest by this factor is not silence
const FLOOR_RISE = 1.005; // for each block, so that the floor follows a room that gets louder
const MAX_STARVING = 20; // empty reads in a row, about 100 ms: no more audio comes for this track

/** @typedef {{samples: Float32Array, rms: number}} Block */

export class CatchUpQueue {
  /** @type {Block[]} */
  #blocks = [];
  /** @type {Float32Array} */
  #playing = new Float32Array(0); // rest of the block that is playing
  #floor = 1;
  #pause = 0; // silent blocks played in a row
  #starving = 0; // empty reads in a row

  /** @param {Float32Array} samples  20 ms */
  push(samples) {
    const rms = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
    this.#floor = Math.min(rms, this.#floor * FLOOR_RISE);
    this.#blocks.push({ samples, rms });
  }

  /** Whether all audio up to a pause was played, so that the live microphone can take over. */
  get caughtUp() {
    return this.#blocks.length + this.#playing.length === 0 && (this.#pause > 0 || this.#starving > MAX_STARVING);
  }

  /**
   * Fill `output` with the next audio, or with silence if there is none.
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

  /** Start the next block that is not skipped. @returns {boolean} whether there was one */
  #begin() {
    let block = this.#blocks.shift();
    while (block && this.#isSpare(block)) block = this.#blocks.shift();
    if (block) this.#playing = block.samples;
    return block !== undefined;
  }

  /**
   * Whether a block belongs to a pause that is long enough without it.
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
