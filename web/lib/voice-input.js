import { Capture } from "./capture.js";
import { Emitter } from "./emitter.js";
import { openMicrophone } from "./microphone.js";
import { asProblem, microphoneLost, Problem } from "./problems.js";

/**
 * The microphone of a session with a gate: emits `pcm` while the gate is open, and `level` always. If the device is
 * unplugged, the default device replaces it; `stream` has the current stream (null: none).
 *
 * @extends {Emitter<{pcm: Int16Array<ArrayBuffer>, level: number, problem: Problem, stream: MediaStream | null}>}
 */
export class VoiceInput extends Emitter {
  #audio;
  /** @type {Capture | null} */
  #capture = null;
  #gate = false;
  #opening = 0;

  /** @param {import("./audio-engine.js").AudioEngine} audio */
  constructor(audio) {
    super();
    this.#audio = audio;
  }

  /** What is heard; null: nothing. */
  get stream() {
    return this.#capture?.stream ?? null;
  }

  /**
   * Open a microphone in place of the one before. A failure is a `problem`, not an exception: the user can still type.
   *
   * @param {string} deviceId
   */
  async open(deviceId) {
    const opening = ++this.#opening;
    try {
      const unlocked = this.#audio.unlock().catch(() => {}); // its failure ends the session
      const [stream] = await Promise.all([openMicrophone({ deviceId }), unlocked]); // a refusal is told at once
      if (opening === this.#opening && this.#audio.unlocked) this.#use(stream);
      else stream.getTracks().forEach((track) => track.stop());
    } catch (error) {
      this.emit("problem", asProblem(error));
    }
  }

  /** @param {boolean} open  whether what is heard goes out */
  setGate(open) {
    this.#gate = open;
    for (const track of this.stream?.getAudioTracks() ?? []) track.enabled = open;
  }

  close() {
    this.#opening += 1;
    this.#capture?.close();
    this.#capture = null;
    this.emit("stream", null);
  }

  /** @param {MediaStream} stream */
  #use(stream) {
    this.#capture?.close();
    const capture = new Capture(this.#audio, stream);
    this.#capture = capture;
    capture.on("pcm", (pcm) => this.#gate && this.emit("pcm", pcm));
    capture.on("level", (level) => this.emit("level", this.#gate ? level : 0));
    capture.on("ended", () => this.#unplugged());
    this.setGate(this.#gate);
    void this.#audio.loudspeaker.check(); // the browser names the devices now
    this.emit("stream", stream);
  }

  async #unplugged() {
    this.close();
    await this.open("");
    const label = this.stream?.getAudioTracks()[0]?.label;
    const problem = label
      ? new Problem("microphone_changed", "The microphone was unplugged.", `Listening through "${label}" now.`)
      : microphoneLost();
    this.emit("problem", problem);
  }
}
