/** Plays the audio that the page posts, and posts what was played: see playout-queue.js. */

import { PlayoutQueue } from "./playout-queue.js";

const REPORT_QUANTA = 8; // between two reports of the same item: 43 ms at 24 kHz

class Playout extends AudioWorkletProcessor {
  #queue = new PlayoutQueue();
  #quanta = 0;
  #reported = "";
  #closed = false;

  /** @param {AudioWorkletNodeOptions} options */
  constructor(options) {
    super(options);
    this.port.onmessage = ({ data }) => {
      if (data.type === "push") this.#queue.push(data.itemId, data.pcm);
      else if (data.type === "finish") this.#queue.finish(data.itemId);
      else if (data.type === "hold") this.#queue.hold();
      else if (data.type === "resume") this.#queue.resume();
      else if (data.type === "clear") this.#queue.clear();
      else if (data.type === "close") this.#closed = true;
    };
  }

  /**
   * @param {Float32Array[][]} _
   * @param {Float32Array[][]} outputs
   */
  process(_, outputs) {
    const channels = outputs[0] ?? [];
    if (this.#closed) return false; // false ends the processor
    if (!channels[0]) return true;
    const changes = this.#queue.pull(channels[0]);
    for (const channel of channels.slice(1)) channel.set(channels[0]);
    for (const change of changes) this.port.postMessage(change);
    this.#quanta += 1;
    if (this.#quanta % REPORT_QUANTA === 0) this.#report();
    return true;
  }

  #report() {
    const position = this.#queue.position;
    const mark = position ? `${position.itemId} ${position.samples}` : "";
    if (position && mark !== this.#reported) this.port.postMessage(position);
    this.#reported = mark;
  }
}

registerProcessor("playout", Playout);
