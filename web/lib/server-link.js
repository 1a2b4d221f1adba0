import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { LatencyTracker } from "./latency.js";
import { PlayedReply, RemoteReply } from "./reply.js";
import { Speaker } from "./speaker.js";
import { WebRtcTransport } from "./webrtc-transport.js";

/** @typedef {import("./transcript.js").ServerEvent} ServerEvent */
/** @typedef {import("./connection.js").ConnectionOptions} ConnectionOptions */

/**
 * The server as a conversation sees it: one connection at a time, and the replies that come over it, wherever they are
 * played.
 *
 * @extends {Emitter<{
 *   transport: import("./connection.js").Chosen,
 *   status: import("./connection.js").State,
 *   event: ServerEvent,
 *   problem: import("./problems.js").Problem,
 *   blocked: null,
 *   doing: {playing: boolean} | {held: boolean},
 *   progress: import("./speaker.js").Played,
 *   latency: {responseId: string, stages: Record<string, number>},
 * }>}
 */
export class ServerLink extends Emitter {
  #server;
  #audio;
  #latency = new LatencyTracker();
  /** @type {Connection | null} */
  #connection = null;
  /** @type {PlayedReply | RemoteReply | null} */
  #reply = null;
  /** @type {Set<string>} responses that are not done */
  #responses = new Set();

  /**
   * @param {import("./server.js").Server} server
   * @param {import("./audio-engine.js").AudioEngine} audio
   */
  constructor(server, audio) {
    super();
    this.#server = server;
    this.#audio = audio;
  }

  get open() {
    return this.#connection?.status === "open";
  }

  /** Whether a response is not done. */
  get answering() {
    return this.#responses.size > 0;
  }

  /** Whether audio goes to the server as a track of its own. */
  get carriesAudio() {
    return this.#connection?.transport?.carriesAudio ?? false;
  }

  /**
   * Connect, in place of the connection before. Throws a `Problem`.
   *
   * @param {ConnectionOptions} options
   */
  async connect(options) {
    this.close();
    const connection = new Connection(this.#server, options);
    this.#connection = connection;
    const current = () => connection === this.#connection; // what a connection says that was replaced is of no interest
    connection.on("transport", (transport) => current() && this.#transportChanged(connection, transport));
    connection.on("event", (event) => current() && this.#take(event));
    connection.on("problem", (problem) => current() && this.emit("problem", problem));
    connection.on("blocked", () => current() && this.emit("blocked", null));
    connection.on("status", (status) => {
      if (!current()) return;
      if (status.status === "reconnecting") this.#endReply();
      this.emit("status", status);
    });
    await connection.open();
  }

  /** @param {import("./connection.js").ClientEvent} event */
  send(event) {
    this.#connection?.send(event);
  }

  /** @param {Int16Array<ArrayBuffer>} pcm  20 ms, mono, 24 kHz */
  appendAudio(pcm) {
    this.#connection?.appendAudio(pcm);
  }

  /**
   * Send another microphone.
   *
   * @param {MediaStream | null} stream
   */
  async replaceStream(stream) {
    const transport = this.#connection?.transport;
    if (transport instanceof WebRtcTransport) await transport.replaceStream(stream);
  }

  /** Let sound through, in a tap. */
  async unlock() {
    const transport = this.#connection?.transport;
    if (transport instanceof WebRtcTransport) await transport.unlock();
  }

  /** Try to connect now, instead of waiting for the next attempt. */
  retryNow() {
    this.#connection?.retryNow();
  }

  /** Stop what is being answered and what is being played. */
  interrupt() {
    for (const response_id of this.#responses) this.send({ type: "response.cancel", response_id });
    this.#reply?.interrupt([...this.#responses]);
  }

  close() {
    const connection = this.#connection;
    this.#connection = null;
    connection?.close();
    this.#endReply();
  }

  #endReply() {
    this.#responses.clear();
    this.#reply?.close();
    this.#reply = null;
  }

  /**
   * @param {Connection} connection
   * @param {import("./connection.js").Chosen} detail
   */
  #transportChanged(connection, detail) {
    const { transport } = connection;
    const reply =
      transport instanceof WebRtcTransport
        ? new RemoteReply(transport)
        : new PlayedReply(new Speaker(this.#audio), (event) => connection.send(event));
    this.#reply = reply;
    reply.on("playing", (playing) => this.emit("doing", { playing }));
    reply.on("undecodable", (why) => connection.giveUpOpus(why));
    reply.on("held", (held) => this.emit("doing", { held }));
    reply.on("progress", (played) => this.emit("progress", played));
    reply.on("arrived", ({ responseId }) => this.#latency.audioArrived(responseId, performance.now()));
    reply.on("begun", ({ responseId, delayMs }) => {
      this.#measured(responseId, this.#latency.played(responseId, performance.now() + delayMs));
    });
    this.emit("transport", detail);
  }

  /** @param {ServerEvent} event */
  #take(event) {
    this.#reply?.take(event);
    if (event.type === "response.created") this.#responses.add(event.response.id);
    if (event.type === "response.done") {
      const { id, streamsrv } = event.response;
      this.#responses.delete(id);
      if (streamsrv?.latency) this.#measured(id, this.#latency.measured(id, streamsrv.latency));
    }
    this.emit("event", event);
  }

  /**
   * @param {string} responseId
   * @param {Record<string, number> | null} stages
   */
  #measured(responseId, stages) {
    if (stages) this.emit("latency", { responseId, stages });
  }
}
