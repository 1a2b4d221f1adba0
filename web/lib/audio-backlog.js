/** Microphone audio that waits for a connection to come back. Pure. Bounded: the oldest is dropped. */

const LONGEST_SAMPLES = 10 * 24_000;

export class AudioBacklog {
  /** @type {Int16Array<ArrayBuffer>[]} */
  #blocks = [];
  #samples = 0;
  /** Whether any was dropped since the last `drain`. */
  overflowed = false;

  /** @param {Int16Array<ArrayBuffer>} pcm */
  push(pcm) {
    this.#blocks.push(pcm);
    this.#samples += pcm.length;
    while (this.#samples > LONGEST_SAMPLES) {
      this.#samples -= this.#blocks.shift()?.length ?? 0;
      this.overflowed = true;
    }
  }

  /** @returns {Int16Array<ArrayBuffer>[]} what was kept, oldest first; nothing is kept any more */
  drain() {
    const blocks = this.#blocks;
    this.#blocks = [];
    this.#samples = 0;
    this.overflowed = false;
    return blocks;
  }
}
