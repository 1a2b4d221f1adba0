/** Plays speech from before a call into its track, until it has caught up. */

import { CatchUpQueue } from "./catch-up-queue.js";

class CatchUp extends AudioWorkletProcessor {
  #queue = new CatchUpQueue();
  #told = false;
  #closed = false;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      if (data === "close") this.#closed = true;
      else this.#queue.push(Float32Array.from(data, (sample) => sample / 0x8000));
    };
  }

  /**
   * @param {Float32Array[][]} _inputs
   * @param {Float32Array[][]} outputs
   */
  process(_inputs, outputs) {
    const output = outputs[0]?.[0];
    if (output) this.#queue.read(output);
    if (this.#queue.caughtUp && !this.#told) {
      this.#told = true;
      this.port.postMessage("caught up");
    }
    return !this.#closed;
  }
}

registerProcessor("catch-up", CatchUp);
