import { Emitter } from "./emitter.js";
import { Problem } from "./problems.js";

const CONNECT_MS = 6000;
const GATHERING_MS = 1000; // what was found by then is sent: candidates that come later rarely matter
const DISCONNECTED_MS = 4000; // a lost path may come back by itself within this time

/**
 * A Realtime session over WebRTC: events on the data channel `oai-events`, audio as Opus tracks. The server holds the
 * playback. `blocked`: the browser lets no sound through before a tap.
 *
 * @extends {Emitter<import("./connection.js").TransportEvents>}
 */
export class WebRtcTransport extends Emitter {
  /** Whether audio takes a way of its own, so that `appendAudio` is not used. */
  carriesAudio = true;
  /** @type {import("./websocket-transport.js").AudioCodec} */
  codec = "opus";
  noOpus = "";

  #server;
  #query;
  #peer = new RTCPeerConnection();
  #channel;
  #speaker = new Audio();
  #callPath = "";
  #closed = false;

  /**
   * @param {import("./server.js").Server} server
   * @param {Record<string, string>} query
   * @param {MediaStream | null} stream  what is sent; null: the microphone comes later, or never
   */
  constructor(server, query, stream) {
    super();
    this.#server = server;
    this.#query = query;
    const track = stream?.getAudioTracks()[0];
    this.#peer.addTransceiver(track ?? "audio", { direction: "sendrecv", streams: stream ? [stream] : [] });
    this.#peer.ontrack = ({ track: remote }) => {
      this.#speaker.srcObject = new MediaStream([remote]);
      this.#speaker.play().catch(() => this.emit("blocked", null)); // until the next tap
    };
    this.#channel = this.#peer.createDataChannel("oai-events");
    this.#channel.onmessage = ({ data }) => this.emit("event", JSON.parse(data));
  }

  /** @returns {Promise<void>} rejects with a `Problem` */
  async connect() {
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
    await this.#opened();
    this.#watch();
  }

  /** @param {object} event */
  send(event) {
    if (this.#channel.readyState === "open") this.#channel.send(JSON.stringify(event));
  }

  /** Audio goes as a track. */
  appendAudio() {}

  /**
   * Send another microphone.
   *
   * @param {MediaStream | null} stream
   */
  async replaceStream(stream) {
    await this.#peer.getSenders()[0]?.replaceTrack(stream?.getAudioTracks()[0] ?? null);
  }

  /** Hear the server: call it in a tap when the browser blocked sound. */
  async unlock() {
    if (this.#speaker.srcObject) await this.#speaker.play();
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
    this.#peer.close();
    this.#speaker.srcObject = null;
    // Outlives the page, so that a closed tab gives its place back at once.
    if (this.#callPath) this.#server.fetch(this.#callPath, { method: "DELETE", keepalive: true }).catch(() => {});
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

  /** @returns {Promise<void>} */
  #opened() {
    return new Promise((resolve, reject) => {
      const fail = (/** @type {string} */ why) => {
        clearTimeout(timer);
        this.close();
        reject(new Problem("webrtc_failed", why));
      };
      const timer = setTimeout(() => fail("no media path was found in time"), CONNECT_MS);
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
      this.emit("close", "The connection was lost.");
    };
    this.#channel.onclose = lost;
    this.#peer.onconnectionstatechange = () => {
      clearTimeout(timer);
      const state = this.#peer.connectionState;
      if (state === "failed" || state === "closed") lost();
      else if (state === "disconnected") timer = setTimeout(lost, DISCONNECTED_MS);
    };
  }
}
