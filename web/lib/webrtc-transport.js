import { CatchUp } from "./catch-up.js";
import { Emitter } from "./emitter.js";
import { elementOutput } from "./loudspeaker.js";
import { Problem } from "./problems.js";

const CONNECT_MS = 6000; // longest wait for the media path, where another transport can be tried
const ONLY_CONNECT_MS = 20_000; // where none can
const GATHERING_MS = 1000; // the offer is sent with the candidates found by then; later ones rarely matter
const DISCONNECTED_MS = 4000; // a lost path may recover by itself within this time

/**
 * A Realtime session over WebRTC: events on the data channel `oai-events`, audio as Opus tracks. Speech from
 * before the call goes first, as audio of the track, because a call accepts no audio in events. The server holds the
 * playback. `blocked`: the browser allows no sound before a tap.
 *
 * @extends {Emitter<import("./connection.js").TransportEvents>}
 */
export class WebRtcTransport extends Emitter {
  /** Whether audio takes a way of its own, beside the events. */
  carriesAudio = true;
  /** @type {import("./websocket-transport.js").AudioCodec} */
  codec = "opus";
  noOpus = "";
  /** @type {import("./connection.js").Watch | null} */
  watch = null;
  /** @type {MediaStream | null} the sound of the server */
  remote = null;

  #server;
  #query;
  #peer = new RTCPeerConnection();
  #channel;
  #audio;
  /** @type {CatchUp | null} plays what was said before, until it has caught up */
  #catchUp = null;
  /** @type {MediaStream | null} the microphone */
  #stream = null;
  #speaker = new Audio();
  #output = elementOutput(this.#speaker);
  #callPath = "";
  #closed = false;

  /**
   * @param {import("./server.js").Server} server
   * @param {Record<string, string>} query
   * @param {import("./audio-engine.js").AudioEngine | null} audio  unlocked; null: earlier speech is not sent
   */
  constructor(server, query, audio) {
    super();
    this.#server = server;
    this.#query = query;
    this.#audio = audio;
    void audio?.loudspeaker.add(this.#output);
    this.#peer.addTransceiver("audio", { direction: "sendrecv" });
    this.#peer.ontrack = ({ track: remote }) => {
      this.remote = this.#speaker.srcObject = new MediaStream([remote]);
      void this.#play();
    };
    this.#channel = this.#peer.createDataChannel("oai-events");
    this.#channel.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      this.watch?.("server", event, data);
      this.emit("event", event);
    };
  }

  /**
   * @param {{only?: boolean}} [how]  `only`: no other transport can be tried
   * @returns {Promise<void>} rejects with a `Problem`
   */
  async connect({ only = false } = {}) {
    await this.#peer.setLocalDescription();
    await this.#gathered();
    const offer = {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: this.#peer.localDescription?.sdp,
    };
    const response = await this.#server.fetch(`v1/realtime/calls?${new URLSearchParams(this.#query)}`, offer);
    this.#callPath = response.headers.get("Location")?.replace(/^\//, "") ?? "";
    await this.#peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
    await this.#opened(only ? ONLY_CONNECT_MS : CONNECT_MS);
    this.#watch();
  }

  /** @param {import("./connection.js").ClientEvent} event */
  send(event) {
    if (this.#channel.readyState !== "open") return;
    const text = JSON.stringify(event);
    this.#channel.send(text);
    this.watch?.("client", event, text);
  }

  /**
   * Send audio from now on.
   *
   * @param {Int16Array<ArrayBuffer>[]} blocks  speech from before the connection, in blocks of 20 ms
   * @param {MediaStream | null} stream  the microphone; null: it comes later, or never
   */
  async begin(blocks, stream) {
    this.#stream = stream;
    if (this.#audio === null || blocks.length === 0) return this.#sendMicrophone();
    const catchUp = new CatchUp(this.#audio);
    this.#catchUp = catchUp;
    for (const pcm of blocks) catchUp.push(pcm);
    await this.#send(catchUp.track);
    await catchUp.done;
    if (catchUp === this.#catchUp) await this.#sendMicrophone();
  }

  /** Send no audio. */
  async pause() {
    this.#dropCatchUp();
    await this.#send(null);
  }

  /** @param {Int16Array<ArrayBuffer>} pcm  20 ms; goes as the microphone's track, once what was said before is played */
  appendAudio(pcm) {
    this.#catchUp?.push(pcm);
  }

  /** Resolves once all that was said is on its way. */
  async caughtUp() {
    await this.#catchUp?.done;
  }

  /**
   * Send another microphone.
   *
   * @param {MediaStream | null} stream
   */
  async replaceStream(stream) {
    this.#stream = stream;
    if (this.#catchUp === null) await this.#sendMicrophone();
  }

  async #sendMicrophone() {
    if (this.#closed) return;
    await this.#send(this.#stream?.getAudioTracks()[0] ?? null);
    this.#dropCatchUp();
  }

  /** @param {MediaStreamTrack | null} track */
  async #send(track) {
    await this.#peer.getSenders()[0]?.replaceTrack(track).catch(() => {}); // the call has ended meanwhile
  }

  #dropCatchUp() {
    this.#catchUp?.close();
    this.#catchUp = null;
  }

  /** Hear the server: call it in a tap when the browser blocked sound. */
  async unlock() {
    if (this.#speaker.srcObject) await this.#play();
  }

  async #play() {
    await this.#speaker.play().catch(() => this.emit("blocked", null)); // until the next tap
  }

  /** @returns {Promise<number>} ms that the browser keeps received audio before it is heard */
  async playoutDelayMs() {
    const stats = await this.#peer.getStats();
    for (const report of stats.values()) {
      if (report.type === "inbound-rtp" && report.jitterBufferEmittedCount > 0) {
        return (report.jitterBufferDelay / report.jitterBufferEmittedCount) * 1000;
      }
    }
    return 0;
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#channel.onclose = null;
    this.#channel.onmessage = null;
    this.#peer.onconnectionstatechange = null;
    this.#peer.ontrack = null;
    this.#dropCatchUp();
    void this.#send(null);
    this.#speaker.srcObject = null;
    this.#audio?.loudspeaker.remove(this.#output);
    this.#hangUp().finally(() => this.#peer.close());
  }

  /** Resolves when the server has ended the call, unless it has done so by itself. */
  async #hangUp() {
    if (!this.#callPath) return;
    // `keepalive`: the request outlives the page, so that a closed tab frees its place at once.
    await this.#server.fetch(this.#callPath, { method: "DELETE", keepalive: true }).catch(() => {});
  }

  /** @returns {Promise<void>} */
  #gathered() {
    return new Promise((resolve) => {
      setTimeout(resolve, GATHERING_MS);
      const check = () => this.#peer.iceGatheringState === "complete" && resolve();
      this.#peer.onicegatheringstatechange = check;
      check();
    });
  }

  /**
   * @param {number} ms  longest wait
   * @returns {Promise<void>}
   */
  #opened(ms) {
    return new Promise((resolve, reject) => {
      const fail = (/** @type {string} */ why) => {
        clearTimeout(timer);
        this.close();
        reject(new Problem("webrtc_failed", why));
      };
      const timer = setTimeout(() => fail("no media path was found in time"), ms);
      this.#channel.onopen = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#peer.onconnectionstatechange = () => {
        if (this.#peer.connectionState === "failed") fail("no media path was found");
      };
      if (this.#channel.readyState === "open") this.#channel.onopen(new Event("open"));
    });
  }

  #watch() {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const lost = () => {
      this.close();
      this.emit("close", "");
    };
    this.#channel.onclose = () => {
      this.#callPath = ""; // the server has ended the call
      lost();
    };
    this.#peer.onconnectionstatechange = () => {
      clearTimeout(timer);
      const state = this.#peer.connectionState;
      if (state === "failed" || state === "closed") lost();
      else if (state === "disconnected") timer = setTimeout(lost, DISCONNECTED_MS);
    };
  }
}
