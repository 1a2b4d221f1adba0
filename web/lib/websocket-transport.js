import { Emitter } from "./emitter.js";
import { Liveness } from "./liveness.js";
import { OPUS, OpusEncoder, whyNoOpus } from "./opus.js";
import { toBase64 } from "./pcm.js";
import { Problem } from "./problems.js";

const CONNECT_MS = 8000;
const STALLED_BYTES = 640_000; // ten seconds of microphone audio that the network did not accept
const CHECK_MS = 1000;
const ASK_ID = "ask_for_opus";

/** @typedef {import("./connection.js").ServerEvent} ServerEvent */
/** @typedef {"pcm" | "opus"} AudioCodec  how audio goes inside the events */

/**
 * A Realtime session over a WebSocket; audio goes inside the events, as PCM or as Opus.
 *
 * @extends {Emitter<import("./connection.js").TransportEvents>}
 */
export class WebSocketTransport extends Emitter {
  /** Whether audio takes a way of its own, so that `appendAudio` is not used. */
  carriesAudio = false;

  /**
   * The codec of the session.
   *
   * @type {AudioCodec}
   */
  codec = "pcm";
  /** Why it is not Opus, if that was wanted. */
  noOpus = "";
  /** @type {import("./connection.js").Watch | null} */
  watch = null;

  #server;
  #query;
  #wantsOpus;
  /** @type {OpusEncoder | null} */
  #encoder = null;
  /** @type {ServerEvent | null} `session.created`, which is kept until it is agreed how audio goes */
  #created = null;
  /** @type {Promise<void> | null} resolves when the encoder has sent what was said before an event that waits */
  #flushing = null;
  /** @type {WebSocket | null} */
  #socket = null;
  #burst = 0; // bytes that were sent at once at the start
  #liveness = new Liveness();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #checks;

  /**
   * @param {import("./server.js").Server} server
   * @param {Record<string, string>} query
   * @param {AudioCodec} [codec]  the preferred one; without support for Opus on both sides it is PCM
   */
  constructor(server, query, codec = "pcm") {
    super();
    this.#server = server;
    this.#query = query;
    this.#wantsOpus = codec === "opus";
  }

  /** @returns {Promise<void>} rejects with a `Problem` */
  async connect() {
    if (this.#wantsOpus) this.noOpus = await whyNoOpus();
    const subprotocols = await this.#server.subprotocols(this.#query);
    const socket = new WebSocket(this.#server.realtimeUrl(this.#query), subprotocols);
    this.#socket = socket;
    await new Promise((resolve, reject) => {
      const failed = () => {
        clearTimeout(timer);
        this.close();
        reject(new Problem("websocket_failed", "The WebSocket could not be opened."));
      };
      const timer = setTimeout(failed, CONNECT_MS);
      socket.onerror = failed;
      socket.onclose = failed;
      socket.onopen = () => {
        clearTimeout(timer);
        socket.onerror = null;
        socket.onclose = ({ code, reason }) => this.emit("close", reason || `The connection was closed (${code}).`);
        resolve(undefined);
      };
      socket.onmessage = ({ data }) => {
        this.#liveness.heard();
        const event = JSON.parse(data);
        this.watch?.("server", event, data);
        this.#take(event);
      };
    });
    this.#checks = setInterval(() => this.#check(), CHECK_MS);
  }

  /**
   * @param {import("./connection.js").ClientEvent} event  an event about the input audio arrives after earlier audio
   */
  send(event) {
    if (this.#encoder && event.type.startsWith("input_audio_buffer.")) this.#flush(this.#encoder);
    if (this.#flushing) this.#flushing.then(() => this.#write(event));
    else this.#write(event);
  }

  /** @param {OpusEncoder} encoder */
  #flush(encoder) {
    const flushing = encoder.flush();
    this.#flushing = flushing;
    flushing.then(() => {
      if (flushing === this.#flushing) this.#flushing = null;
    });
  }

  /** @param {import("./connection.js").ClientEvent} event */
  #write(event) {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount > STALLED_BYTES + this.#burst) return this.#lost("The network is too slow.");
    const text = JSON.stringify(event);
    socket.send(text);
    this.watch?.("client", event, text);
  }

  /** @param {Int16Array<ArrayBuffer>[]} blocks  what was said before there was a connection, in blocks of 20 ms */
  begin(blocks) {
    this.#burst = Infinity;
    for (const pcm of blocks) this.appendAudio(pcm);
    this.#burst = this.#socket?.bufferedAmount ?? 0;
  }

  /** Audio is sent in events, so it stops with them. */
  pause() {}

  /** @param {Int16Array<ArrayBuffer>} pcm  20 ms */
  appendAudio(pcm) {
    if (this.#encoder) this.#encoder.encode(pcm);
    else this.#append(pcm);
  }

  /** @param {Int16Array | Uint8Array} audio */
  #append(audio) {
    this.#write({ type: "input_audio_buffer.append", audio: toBase64(audio) });
  }

  close() {
    clearInterval(this.#checks);
    this.#encoder?.close();
    if (this.#socket === null) return;
    this.#socket.onclose = null;
    this.#socket.onmessage = null;
    this.#socket.close();
  }

  /** @param {ServerEvent} event */
  #take(event) {
    if (event.type === "session.created" && this.#wantsOpus && !this.noOpus) {
      this.#created = event;
      const audio = { input: { format: { type: OPUS } }, output: { format: { type: OPUS } } };
      this.#write({ type: "session.update", event_id: ASK_ID, session: { type: event.session.type, audio } });
    } else if (this.#created && event.type === "session.updated") {
      this.#agreed(event.session.audio.input.format.type === OPUS ? "" : "the server does not take it");
    } else if (this.#created && event.type === "error" && event.error.event_id === ASK_ID) {
      this.#agreed(event.error.message);
    } else {
      this.emit("event", event);
    }
  }

  /** @param {string} noOpus  why not; empty: it is Opus */
  #agreed(noOpus) {
    this.noOpus = noOpus;
    if (!noOpus) {
      this.codec = "opus";
      this.#encoder = new OpusEncoder(
        (packet) => this.#append(packet),
        (why) => this.emit("codec-failed", why),
      );
    }
    const created = /** @type {ServerEvent} */ (this.#created);
    this.#created = null;
    this.emit("event", created);
  }

  /** A page is not told of the pings of a WebSocket: an update that changes nothing is answered, too. */
  #check() {
    const state = this.#liveness.check(performance.now());
    if (state === "ask") this.send({ type: "session.update", session: {} });
    else if (state === "lost") this.#lost("The server has stopped answering.");
  }

  /**
   * Close after a network loss, which the operating system would take minutes to report.
   *
   * @param {string} reason
   */
  #lost(reason) {
    this.close();
    this.emit("close", reason);
  }
}
