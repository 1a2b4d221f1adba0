import { Emitter } from "./emitter.js";
import { toBase64 } from "./pcm.js";
import { Problem } from "./problems.js";

const CONNECT_MS = 8000;
const STALLED_BYTES = 640_000; // ten seconds of microphone audio that the network did not take

/**
 * A Realtime session over a WebSocket; audio goes as PCM inside the events.
 *
 * @extends {Emitter<import("./connection.js").TransportEvents>}
 */
export class WebSocketTransport extends Emitter {
  /** Whether audio takes a way of its own, so that `appendAudio` is not used. */
  carriesAudio = false;

  #socket;

  /**
   * @param {import("./server.js").Server} server
   * @param {Record<string, string>} query
   */
  constructor(server, query) {
    super();
    this.#socket = new WebSocket(server.realtimeUrl(query), server.subprotocols);
  }

  /** @returns {Promise<void>} rejects with a `Problem` */
  connect() {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
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
        resolve();
      };
      socket.onmessage = ({ data }) => this.emit("event", JSON.parse(data));
    });
  }

  /** @param {object} event */
  send(event) {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    if (this.#socket.bufferedAmount > STALLED_BYTES) {
      // The network is gone, and the operating system would take minutes to notice.
      this.close();
      this.emit("close", "The network does not take any more.");
      return;
    }
    this.#socket.send(JSON.stringify(event));
  }

  /** @param {Int16Array} pcm */
  appendAudio(pcm) {
    this.send({ type: "input_audio_buffer.append", audio: toBase64(pcm) });
  }

  close() {
    this.#socket.onclose = null;
    this.#socket.onmessage = null;
    this.#socket.close();
  }
}
