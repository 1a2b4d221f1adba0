import { AudioBacklog } from "./audio-backlog.js";
import { Backoff } from "./backoff.js";
import { Emitter } from "./emitter.js";
import { asProblem, Problem, unreachable } from "./problems.js";
import { WebRtcTransport } from "./webrtc-transport.js";
import { WebSocketTransport } from "./websocket-transport.js";

/** @typedef {import("./transcript.js").ServerEvent} ServerEvent */
/**
 * @typedef {{event: ServerEvent, close: string, blocked: null, "codec-failed": string}} TransportEvents
 *   `blocked`: sound needs a tap first; `codec-failed`: the microphone is not encoded any more
 */
/** @typedef {{type: string, [field: string]: unknown}} ClientEvent */
/** @typedef {WebRtcTransport | WebSocketTransport} Transport */
/** @typedef {"webrtc" | "websocket"} TransportName */
/** @typedef {import("./websocket-transport.js").AudioCodec} AudioCodec */
/** @typedef {{name: TransportName, codec: AudioCodec, reasons: string[]}} Chosen  `reasons`: why no better one */
/** @typedef {"connecting" | "open" | "reconnecting" | "closed"} Status */

/**
 * @typedef {object} State
 * @property {Status} status
 * @property {number} attempt  since the connection was lost
 * @property {number} retryInMs
 * @property {string} reason  why it was lost
 */

/**
 * @typedef {object} ConnectionOptions
 * @property {Record<string, string>} [query]  of the session: `model`, `intent`
 * @property {() => object} session  what `session.update` asks for, after each connect
 * @property {() => ServerEvent[]} [replay]  events that tell a new session what was said before
 * @property {TransportName[]} [transports]  to try, best first
 * @property {AudioCodec} [audioCodec]  of the WebSocket; PCM unless this says otherwise, and where there is no Opus
 * @property {() => MediaStream | null} [stream]  what WebRTC sends
 */

const READY_MS = 8000; // for the server to accept the session
const FINAL = new Set(["key_required", "refused"]); // trying again would change nothing
const EVERYWHERE = new Set([...FINAL, "unreachable", "server_full"]); // no other transport would do better

/**
 * One Realtime session that is kept open: the best transport that connects, and again after it was lost.
 *
 * @extends {Emitter<{
 *   event: ServerEvent,
 *   status: State,
 *   transport: Chosen,
 *   problem: Problem,
 *   blocked: null,
 * }>}
 */
export class Connection extends Emitter {
  #server;
  #options;
  #backoff = new Backoff();
  #backlog = new AudioBacklog();
  /** @type {Transport | null} */
  #transport = null;
  /** @type {TransportName[]} */
  #transports;
  /** @type {AudioCodec} */
  #codec;
  /** @type {string[]} */
  #reasons = [];
  /** @type {Status} */
  #status = "closed";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  #opening = 0; // counts attempts, so that one that was overtaken notices

  /**
   * @param {import("./server.js").Server} server
   * @param {ConnectionOptions} options
   */
  constructor(server, options) {
    super();
    this.#server = server;
    this.#options = options;
    this.#transports = [...(options.transports ?? ["webrtc", "websocket"])];
    this.#codec = options.audioCodec ?? "pcm";
    if (typeof RTCPeerConnection === "undefined") this.#giveUp("webrtc", "the browser does not have it");
  }

  /** @returns {Status} */
  get status() {
    return this.#status;
  }

  /** The transport in use; null while there is none. */
  get transport() {
    return this.#transport;
  }

  /** Connect, and stay connected until `close`. Resolves once the session is set up; throws a `Problem`. */
  async open() {
    addEventListener("pagehide", this.#leave);
    addEventListener("online", this.#online);
    this.#setStatus("connecting");
    try {
      await this.#connect();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** @param {ClientEvent} event  is dropped while there is no connection */
  send(event) {
    if (this.#status === "open") this.#transport?.send(event);
  }

  /** @param {Int16Array<ArrayBuffer>} pcm  20 ms, mono, 24 kHz; kept for 10 s while the connection is down */
  appendAudio(pcm) {
    if (this.#status === "open") {
      this.#transport?.appendAudio(pcm);
    } else if (this.#status === "reconnecting") {
      const before = this.#backlog.overflowed;
      this.#backlog.push(pcm);
      if (this.#backlog.overflowed && !before) {
        this.emit("problem", new Problem("audio_lost", "The connection is down for long: what is said now is lost."));
      }
    }
  }

  /** Try again at once, instead of waiting for the next attempt. */
  retryNow() {
    if (this.#status === "reconnecting" && this.#transport === null) this.#reconnect();
  }

  /**
   * Opus does not work after all: go on with PCM, over a new connection.
   *
   * @param {string} why
   */
  giveUpOpus(why) {
    if (this.#transport === null || this.#codec === "pcm") return;
    this.#noOpus(why);
    this.#lost(this.#transport, `Opus failed: ${why}`);
  }

  close() {
    this.#opening += 1;
    clearTimeout(this.#retry);
    removeEventListener("pagehide", this.#leave);
    removeEventListener("online", this.#online);
    this.#dropTransport();
    this.#backlog.drain();
    if (this.#status !== "closed") this.#setStatus("closed");
  }

  #leave = () => this.close();
  #online = () => this.retryNow();

  /** Connect over the best transport that works. */
  async #connect() {
    const opening = ++this.#opening;
    /** @type {Problem} */
    let problem = unreachable();
    for (const name of [...this.#transports]) {
      const transport = this.#create(name);
      try {
        await transport.connect();
        if (opening !== this.#opening) return transport.close();
        await this.#setUp(transport);
        return this.#opened(transport, name);
      } catch (error) {
        transport.close();
        if (opening !== this.#opening) return;
        problem = asProblem(error);
        if (EVERYWHERE.has(problem.code)) throw problem;
        if (name !== this.#transports.at(-1)) this.#giveUp(name, problem.message);
      }
    }
    throw (await this.#server.diagnose()) ?? problem;
  }

  /**
   * @param {TransportName} name
   * @returns {Transport}
   */
  #create(name) {
    const { query = {}, stream } = this.#options;
    if (name === "websocket") return new WebSocketTransport(this.#server, query, this.#codec);
    return new WebRtcTransport(this.#server, query, stream?.() ?? null);
  }

  /**
   * Wait for the session, tell it what it should be, and what was said before.
   *
   * @param {Transport} transport
   */
  #setUp(transport) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Problem("no_session", "The server does not answer.")), READY_MS);
      transport.on("close", (reason) => reject(new Problem("closed", reason)));
      transport.on("event", (event) => {
        if (transport === this.#transport) return this.emit("event", event);
        if (event.type === "session.created") {
          transport.send({ type: "session.update", session: this.#options.session() });
        } else if (event.type === "session.updated") {
          for (const replayed of this.#options.replay?.() ?? []) transport.send(replayed);
          clearTimeout(timer);
          resolve(undefined);
        } else if (event.type === "error") {
          clearTimeout(timer);
          reject(new Problem(event.error.code ?? "session_refused", event.error.message));
        }
      });
      transport.on("blocked", () => this.emit("blocked", null));
    });
  }

  /**
   * @param {Transport} transport
   * @param {TransportName} name
   */
  #opened(transport, name) {
    this.#transport = transport;
    transport.on("close", (reason) => this.#lost(transport, reason));
    transport.on("codec-failed", (why) => this.giveUpOpus(why));
    if (transport.noOpus) this.#noOpus(transport.noOpus);
    this.#backoff.reset();
    this.emit("transport", { name, codec: transport.codec, reasons: [...this.#reasons] });
    this.#setStatus("open");
    for (const pcm of this.#backlog.drain()) transport.appendAudio(pcm);
  }

  /**
   * @param {Transport} transport
   * @param {string} reason
   */
  #lost(transport, reason) {
    if (transport !== this.#transport) return;
    this.#dropTransport();
    this.#wait(reason);
  }

  /** @param {string} reason */
  #wait(reason) {
    const delay = this.#backoff.next(Math.random());
    if (delay === null) {
      this.emit(
        "problem",
        new Problem("gave_up", `The connection could not be restored: ${reason}`, "Press the button to try again."),
      );
      return this.close();
    }
    this.#setStatus("reconnecting", delay, reason);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#reconnect(), delay);
  }

  #reconnect() {
    clearTimeout(this.#retry);
    this.#connect().catch((/** @type {Problem} */ problem) => {
      if (this.#status !== "reconnecting") return;
      if (FINAL.has(problem.code)) {
        this.emit("problem", problem);
        return this.close();
      }
      this.#wait(problem.message);
    });
  }

  #dropTransport() {
    this.#transport?.close();
    this.#transport = null;
  }

  /**
   * @param {TransportName} name
   * @param {string} why
   */
  #giveUp(name, why) {
    this.#transports = this.#transports.filter((each) => each !== name);
    this.#notUsed(name === "webrtc" ? "WebRTC" : "WebSocket", why);
  }

  /** @param {string} why */
  #noOpus(why) {
    this.#codec = "pcm";
    this.#notUsed("Opus", why);
  }

  /**
   * @param {string} what
   * @param {string} why
   */
  #notUsed(what, why) {
    this.#reasons.push(`${what} is not used: ${why.replace(/\.$/, "")}.`);
  }

  /**
   * @param {Status} status
   * @param {number} [retryInMs]
   * @param {string} [reason]
   */
  #setStatus(status, retryInMs = 0, reason = "") {
    this.#status = status;
    this.emit("status", { status, attempt: this.#backoff.attempt, retryInMs, reason });
  }
}
