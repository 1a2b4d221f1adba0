import { Emitter } from "./emitter.js";
import { level } from "./pcm.js";

/**
 * Captures the audio of a MediaStream. Events: `pcm` (mono, 24 kHz, blocks of 20 ms), `level` (0 to 1) for a meter, and
 * `ended` when its device is gone.
 *
 * @extends {Emitter<{pcm: Int16Array<ArrayBuffer>, level: number, ended: null}>}
 */
export class Capture extends Emitter {
  #source;
  #node;
  #sink;

  /**
   * @param {import("./audio-engine.js").AudioEngine} audio  unlocked
   * @param {MediaStream} stream
   */
  constructor(audio, stream) {
    super();
    const context = audio.context;
    this.stream = stream;
    this.#source = context.createMediaStreamSource(stream);
    this.#node = new AudioWorkletNode(context, "capture", {
      numberOfOutputs: 1,
      channelCount: 1,
      channelCountMode: "explicit",
      processorOptions: { sampleRate: context.sampleRate },
    });
    this.#sink = context.createGain(); // browsers may not run a node without an output
    this.#sink.gain.value = 0;
    this.#source.connect(this.#node).connect(this.#sink).connect(context.destination);
    this.#node.port.onmessage = ({ data }) => {
      this.emit("pcm", data);
      this.emit("level", level(data));
    };
    for (const track of stream.getAudioTracks()) track.addEventListener("ended", this.#ended);
  }

  /** Stop, and release the device. */
  close() {
    for (const track of this.stream.getTracks()) {
      track.removeEventListener("ended", this.#ended);
      track.stop();
    }
    this.#node.port.onmessage = null;
    this.#node.port.postMessage("close");
    this.#source.disconnect();
    this.#node.disconnect();
    this.#sink.disconnect();
  }

  #ended = () => this.emit("ended", null);
}
