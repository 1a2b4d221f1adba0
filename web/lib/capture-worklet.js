/** Posts microphone audio to the page, in blocks of 20 ms of 16-bit samples. */

import { toInt16 } from "./pcm.js";

const BLOCK_MS = 20;

class Capture extends AudioWorkletProcessor {
  /** @type {Float32Array} */
  #block;
  #filled = 0;
  #closed = false;

  /** @param {AudioWorkletNodeOptions} options */
  constructor(options) {
    super(options);
    this.#block = new Float32Array((options.processorOptions.sampleRate * BLOCK_MS) / 1000);
    this.port.onmessage = () => (this.#closed = true); // the only message of the page
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    const samples = inputs[0]?.[0]; // no channel without an input
    for (let from = 0; samples && from < samples.length;) {
      const n = Math.min(samples.length - from, this.#block.length - this.#filled);
      this.#block.set(samples.subarray(from, from + n), this.#filled);
      this.#filled += n;
      from += n;
      if (this.#filled === this.#block.length) this.#send();
    }
    return !this.#closed; // false ends the processor
  }

  #send() {
    const pcm = toInt16(this.#block);
    this.#filled = 0;
    this.port.postMessage(pcm, [pcm.buffer]);
  }
}

registerProcessor("capture", Capture);
