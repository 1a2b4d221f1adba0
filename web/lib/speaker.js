import { Emitter } from "./emitter.js";

/**
 * @typedef {object} Played
 * @property {string} itemId
 * @property {number} ms  of the item's audio, to the sample
 * @property {boolean} ended  no more of it is played
 * @property {boolean} complete  all of it was played
 */

/**
 * Firefox takes two locks for `outputLatency`, in the other order than its audio callback while a worklet renders: now
 * and then a page that reads it hangs for ever. Without it some 50 ms more count as heard than was.
 */
const READ_MAY_DEADLOCK = navigator.userAgent.includes("Firefox/");

/**
 * Plays the replies of a session in order, and counts what was played. Whatever it is told takes effect with the next
 * render quantum (128 samples).
 *
 * @extends {Emitter<{progress: Played}>}
 */
export class Speaker extends Emitter {
  #node;
  #context;

  /** @param {import("./audio-engine.js").AudioEngine} audio  unlocked */
  constructor(audio) {
    super();
    this.#context = audio.context;
    this.#node = new AudioWorkletNode(this.#context, "playout", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node.connect(audio.output);
    this.#node.port.onmessage = ({ data }) => {
      const ms = Math.floor((data.samples * 1000) / this.#context.sampleRate);
      this.emit("progress", { itemId: data.itemId, ms, ended: data.ended, complete: data.complete });
    };
  }

  /** Ms between the sample that is rendered and the one that is heard. */
  get latencyMs() {
    const outputS = READ_MAY_DEADLOCK ? 0 : this.#context.outputLatency;
    return (outputS || this.#context.baseLatency || 0) * 1000;
  }

  /**
   * @param {string} itemId
   * @param {Int16Array<ArrayBuffer>} pcm  mono, at the rate of the context; it is given away
   */
  play(itemId, pcm) {
    this.#node.port.postMessage({ type: "push", itemId, pcm }, [pcm.buffer]);
  }

  /** @param {string} itemId  all of its audio was given */
  finish(itemId) {
    this.#node.port.postMessage({ type: "finish", itemId });
  }

  /** Be silent and keep the place. */
  hold() {
    this.#node.port.postMessage({ type: "hold" });
  }

  /** Go on from the next sample. */
  resume() {
    this.#node.port.postMessage({ type: "resume" });
  }

  /** Drop what was not played; `progress` then says what was. */
  clear() {
    this.#node.port.postMessage({ type: "clear" });
  }

  close() {
    this.#node.port.postMessage({ type: "close" });
    this.#node.port.onmessage = null;
    this.#node.disconnect();
  }
}
