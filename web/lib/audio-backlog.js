/** Keeps microphone audio until there is a connection. Bounded: drops the oldest audio. Pure. */

import { SAMPLE_RATE } from "./pcm.js";

const MAX_SAMPLES = 15 * SAMPLE_RATE; // longest time of a first connection that tries both transports

export class AudioBacklog {
  /** @type {Int16Array<ArrayBuffer>[]} */
  #blocks = [];
  #samples = 0;
  /** Whether audio was dropped since the last `drain`. */
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

  /** @returns {Int16Array<ArrayBuffer>[]} the kept audio, oldest first; the backlog is empty afterwards */
  drain() {
    const blocks = this.#blocks;
    this.#blocks = [];
    this.#samples = 0;
    this.overflowed = false;
    return blocks;
  }
}
