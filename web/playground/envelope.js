/** The loudness of a signal over time: the highest sample of each 20 ms. Pure. */

import { SAMPLE_RATE } from "../lib/pcm.js";

export const BLOCK_MS = 20;
export const MAX_MINUTES = 10;
const MAX_BLOCKS = (MAX_MINUTES * 60_000) / BLOCK_MS;
const GAP_BLOCKS = 10; // sound that comes so much later than the last is drawn where it came; before, it was only late

/** @param {Int16Array} pcm @returns {number} 0 to 255 */
export function peak(pcm) {
  let highest = 0;
  for (let i = 0; i < pcm.length; i += 2) {
    const size = Math.abs(pcm[i] ?? 0);
    if (size > highest) highest = size;
  }
  return Math.min(255, highest >> 7);
}

/** A ring of the last minutes. */
export class Envelope {
  #blocks = new Uint8Array(MAX_BLOCKS);
  #end = 0; // blocks since the beginning

  /** Ms since the beginning until which there is something. */
  get endMs() {
    return this.#end * BLOCK_MS;
  }

  /** Ms since the beginning from which on it is kept. */
  get startMs() {
    return Math.max(0, this.#end - MAX_BLOCKS) * BLOCK_MS;
  }

  /**
   * Add the next block: after the one before, or where it came if there was a gap.
   *
   * @param {number} height  0 to 255
   * @param {number} atMs  when it ended, since the beginning
   */
  push(height, atMs) {
    const block = Math.max(0, Math.floor(atMs / BLOCK_MS) - 1);
    if (block - this.#end > GAP_BLOCKS) this.#silence(block);
    this.#set(this.#end, height);
  }

  /**
   * Set a block where it was played. A block that was there already becomes as high as the higher one.
   *
   * @param {number} height
   * @param {number} atMs  when it began
   */
  put(height, atMs) {
    const block = Math.max(0, Math.floor(atMs / BLOCK_MS));
    if (block < this.#end - MAX_BLOCKS) return;
    if (block >= this.#end) {
      this.#silence(block);
      this.#set(block, height);
    } else {
      const index = block % MAX_BLOCKS;
      this.#blocks[index] = Math.max(this.#blocks[index] ?? 0, height);
    }
  }

  /**
   * @param {number} fromMs
   * @param {number} toMs
   * @returns {number} the highest block between, 0 to 255
   */
  highest(fromMs, toMs) {
    const from = Math.max(Math.floor(fromMs / BLOCK_MS), this.#end - MAX_BLOCKS, 0);
    const to = Math.min(Math.max(Math.ceil(toMs / BLOCK_MS), from + 1), this.#end);
    let highest = 0;
    for (let block = from; block < to; block++) highest = Math.max(highest, this.#blocks[block % MAX_BLOCKS] ?? 0);
    return highest;
  }

  clear() {
    this.#end = 0;
  }

  /** @param {number} until  block */
  #silence(until) {
    for (let block = Math.max(this.#end, until - MAX_BLOCKS); block < until; block++) this.#blocks[block % MAX_BLOCKS] = 0;
    this.#end = Math.max(this.#end, until);
  }

  /**
   * @param {number} block
   * @param {number} height
   */
  #set(block, height) {
    this.#blocks[block % MAX_BLOCKS] = height;
    this.#end = block + 1;
  }
}

const MAX_ITEMS = 20;
const SAMPLES = (SAMPLE_RATE * BLOCK_MS) / 1000;

/** The loudness of replies whose sound comes before it is played. */
export class ReplyPeaks {
  /** @type {Map<string, {peaks: number[], samples: number, playedMs: number}>} */
  #items = new Map();

  /**
   * @param {string} itemId
   * @param {Int16Array} pcm  24 kHz
   */
  add(itemId, pcm) {
    const item = this.#items.get(itemId) ?? { peaks: [], samples: 0, playedMs: 0 };
    this.#items.set(itemId, item);
    for (let from = 0; from < pcm.length; ) {
      const block = Math.floor(item.samples / SAMPLES);
      const to = Math.min(pcm.length, from + SAMPLES - (item.samples % SAMPLES));
      item.peaks[block] = Math.max(item.peaks[block] ?? 0, peak(pcm.subarray(from, to)));
      item.samples += to - from;
      from = to;
    }
    const [oldest] = this.#items.keys();
    if (this.#items.size > MAX_ITEMS && oldest !== undefined) this.#items.delete(oldest);
  }

  /** @param {string} itemId @returns {number} ms of sound that came */
  receivedMs(itemId) {
    return (this.#items.get(itemId)?.peaks.length ?? 0) * BLOCK_MS;
  }

  /**
   * @param {string} itemId
   * @param {number} ms  of the item that were played by now
   * @returns {number[]} the blocks that were played since the last time, the newest last
   */
  played(itemId, ms) {
    const item = this.#items.get(itemId);
    if (!item || ms <= item.playedMs) return [];
    const blocks = item.peaks.slice(Math.floor(item.playedMs / BLOCK_MS), Math.floor(ms / BLOCK_MS));
    item.playedMs = ms;
    return blocks;
  }

  clear() {
    this.#items.clear();
  }
}
