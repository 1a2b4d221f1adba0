/**
 * A WebRTC track that starts with the speech from before the connection. It continues with live speech until it has
 * caught up in a pause; then the microphone's own track replaces it.
 */
export class CatchUp {
  #node;
  #destination;
  #done = () => {};

  /**
   * @param {import("./audio-engine.js").AudioEngine} audio  unlocked
   */
  constructor(audio) {
    this.#destination = audio.context.createMediaStreamDestination();
    this.#node = new AudioWorkletNode(audio.context, "catch-up", { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node.connect(this.#destination);
    /** @type {Promise<void>} resolves once all audio up to a pause was played, or after `close` */
    this.done = new Promise((resolve) => (this.#done = resolve));
    this.#node.port.onmessage = () => this.#done();
  }

  get track() {
    return /** @type {MediaStreamTrack} */ (this.#destination.stream.getAudioTracks()[0]);
  }

  /** @param {Int16Array<ArrayBuffer>} pcm  20 ms, mono, 24 kHz */
  push(pcm) {
    this.#node.port.postMessage(pcm);
  }

  close() {
    this.#node.port.postMessage("close");
    this.#node.disconnect();
    this.track.stop();
    this.#done();
  }
}
