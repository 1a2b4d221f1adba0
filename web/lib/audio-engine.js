import { Emitter } from "./emitter.js";
import { contextOutput, Loudspeaker } from "./loudspeaker.js";
import { SAMPLE_RATE } from "./pcm.js";
import { Problem, unreachable } from "./problems.js";

/**
 * The page's one AudioContext. It runs at the sample rate of the wire, so that the browser does the resampling.
 *
 * Browsers allow sound only after a tap: call `unlock` inside its handler. `running` is emitted when sound starts and
 * when the system stops it, as for a telephone call.
 *
 * @extends {Emitter<{running: boolean}>}
 */
export class AudioEngine extends Emitter {
  #context = /** @type {AudioContext | null} */ (null);
  #modules = /** @type {Promise<void> | null} */ (null);
  #loaded = false;
  #output = /** @type {{node: GainNode, at: import("./loudspeaker.js").Output} | null} */ (null);
  /** Where this and everything else of the page sounds. */
  loudspeaker = new Loudspeaker();

  /** The context; throws before `unlock`. */
  get context() {
    if (this.#context === null) throw new Error("unlock() was not called");
    return this.#context;
  }

  /** Where what is to be heard goes; throws before `unlock`. */
  get output() {
    if (this.#output === null) throw new Error("unlock() was not called");
    return this.#output.node;
  }

  /** Whether the context exists and its worklets are loaded. */
  get unlocked() {
    return this.#context !== null && this.#loaded;
  }

  /** Whether sound can be heard now. */
  get running() {
    return this.#context?.state === "running";
  }

  /**
   * Create or resume the context, and load the worklets. Resolves even if the browser still blocks sound: check
   * `running`, and call it again in the next tap. Throws a `Problem` if the worklets cannot be loaded.
   *
   * @returns {Promise<void>}
   */
  async unlock() {
    if (this.#context === null) {
      if (typeof AudioWorkletNode === "undefined") {
        throw new Problem(
          "no_audio_worklet",
          "This page can't use sound.",
          "Open it over https, or in a newer browser.",
        );
      }
      this.#context = new AudioContext({ sampleRate: SAMPLE_RATE, latencyHint: "interactive" });
      this.#context.onstatechange = () => this.emit("running", this.running);
      this.#connectOutput(this.#context);
    }
    const context = this.#context;
    const resumed = context.resume().catch(() => {}); // of a context that was closed meanwhile
    this.#modules ??= loadWorklets(context);
    try {
      await this.#modules;
      this.#loaded = true;
    } catch {
      await this.close(); // a context never loads a module again that failed once
      throw unreachable();
    }
    // If sound is blocked, `resume` does not resolve before the next tap.
    await Promise.race([resumed, new Promise((resolve) => setTimeout(resolve, 500))]);
  }

  /** @param {AudioContext} context */
  #connectOutput(context) {
    const node = context.createGain();
    node.connect(context.destination);
    this.#output = { node, at: contextOutput(context, node) };
    void this.loudspeaker.add(this.#output.at);
  }

  /** Free the sound device. */
  async close() {
    const context = this.#context;
    if (this.#output) this.loudspeaker.remove(this.#output.at);
    this.#output = null;
    this.#context = null;
    this.#modules = null;
    this.#loaded = false;
    if (context) context.onstatechange = null;
    await context?.close();
  }
}

/** @param {AudioContext} context */
async function loadWorklets(context) {
  const files = [
    new URL("./capture-worklet.js", import.meta.url),
    new URL("./catch-up-worklet.js", import.meta.url),
    new URL("./playout-worklet.js", import.meta.url),
  ];
  await Promise.all(files.map((file) => context.audioWorklet.addModule(file)));
}
