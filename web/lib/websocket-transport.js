import { Emitter } from "./emitter.js";
import { Liveness } from "./liveness.js";
import { toBase64 } from "./pcm.js";
import { Problem } from "./problems.js";

const CONNECT_MS = 8000;
const STALLED_BYTES = 640_000; // ten seconds of microphone audio that the network did not take
const CHECK_MS = 1000;

/**
 * A Realtime session over a WebSocket; audio goes as PCM inside the events.
 *
 * @extends {Emitter<import("./connection.js").TransportEvents>}
 */
export class WebSocketTransport extends Emitter {
  /** Whether audio takes a way of its own, so that `appendAudio` is not used. */
  carriesAudio = false;

  #server;
  #query;
  /** @type {WebSocket | null} */
  #socket = null;
  #liveness = new Liveness();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #checks;

  /**
   * @param {import("./server.js").Server} server
   * @param {Record<string, string>} query
   */
  constructor(server, query) {
    super();
    this.#server = server;
    this.#query = query;
  }

  /** @returns {Promise<void>} rejects with a `Problem` */
  async connect() {
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
        this.emit("event", JSON.parse(data));
      };
    });
    this.#checks = setInterval(() => this.#check(), CHECK_MS);
  }

  /** @param {object} event */
  send(event) {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount > STALLED_BYTES) this.#lost("The network does not take any more.");
    else socket.send(JSON.stringify(event));
  }

  /** @param {Int16Array} pcm */
  appendAudio(pcm) {
    this.send({ type: "input_audio_buffer.append", audio: toBase64(pcm) });
  }

  close() {
    clearInterval(this.#checks);
    if (this.#socket === null) return;
    this.#socket.onclose = null;
    this.#socket.onmessage = null;
    this.#socket.close();
  }

  /** A page is not told of the pings of a WebSocket: an update that changes nothing is answered, too. */
  #check() {
    const state = this.#liveness.check(performance.now());
    if (state === "ask") this.send({ type: "session.update", session: {} });
    else if (state === "lost") this.#lost("The server does not answer any more.");
  }

  /**
   * The network is gone, and the operating system would take minutes to notice.
   *
   * @param {string} reason
   */
  #lost(reason) {
    this.close();
    this.emit("close", reason);
  }
}
