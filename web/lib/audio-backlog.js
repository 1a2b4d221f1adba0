/** Microphone audio that waits for a connection. Pure. Bounded: the oldest is dropped. */

import { SAMPLE_RATE } from "./pcm.js";

const MAX_SAMPLES = 15 * SAMPLE_RATE; // a first connection that tries both transports takes this long at most

export class AudioBacklog {
  /** @type {Int16Array<ArrayBuffer>[]} */
  #blocks = [];
  #samples = 0;
  /** Whether any was dropped since the last `drain`. */
  overflowed = false;

  /** @param {...Int16Array<ArrayBuffer>} blocks */
  push(...blocks) {
    for (const pcm of blocks) {
      this.#blocks.push(pcm);
      this.#samples += pcm.length;
    }
    while (this.#samples > MAX_SAMPLES) {
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
