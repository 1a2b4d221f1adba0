import { AudioBacklog } from "./audio-backlog.js";
import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { LatencyTracker } from "./latency.js";
import { PlayedReply, RemoteReply } from "./reply.js";
import { newItemId } from "./item-id.js";
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
 *   replacing: {heardAgain: boolean},
 *   replaced: null,
 *   event: ServerEvent,
 *   problem: import("./problems.js").Problem,
 *   blocked: null,
 *   doing: {playing: boolean} | {held: boolean} | {answering: boolean},
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
  /** @type {Map<string, boolean>} responses that are not done, and whether anything came of each */
  #responses = new Map();
  #requested = ""; // event that requested a response which has not started
  /** What is said before there is a connection. */
  #early = new AudioBacklog();
  /** @type {((open: boolean) => void)[]} */
  #waiting = [];

  /**
   * @param {import("./server.js").Server} server
   * @param {import("./audio-engine.js").AudioEngine} audio
   */
  constructor(server, audio) {
    super();
    this.#server = server;
    this.#audio = audio;
  }

  /** Whether what is sent now arrives. */
  get open() {
    return this.#connection?.ready ?? false;
  }

  /** Whether there is a connection, or one is being opened. */
  get begun() {
    return this.#connection !== null;
  }

  /** Whether a response was asked for, or is not done. */
  get answering() {
    return this.#requested !== "" || this.#responses.size > 0;
  }

  /** Whether a response that is not done has begun to come. */
  get replying() {
    return [...this.#responses.values()].includes(true);
  }

  /** Whether audio goes to the server as a track of its own. */
  get carriesAudio() {
    return this.#connection?.transport?.carriesAudio ?? false;
  }

  /** The sound of the server, where it comes as a track of its own. */
  get remote() {
    const transport = this.#connection?.transport;
    return transport instanceof WebRtcTransport ? transport.remote : null;
  }

  /**
   * Connect in place of the earlier connection, and send the speech from meanwhile. Throws a `Problem`.
   *
   * @param {ConnectionOptions} options
   */
  async connect(options) {
    this.#drop();
    const connection = new Connection(this.#server, { ...options, audio: this.#audio }, this.#early);
    this.#connection = connection;
    const current = () => connection === this.#connection; // ignore events of a replaced connection
    connection.on("transport", (transport) => current() && this.#transportChanged(connection, transport));
    connection.on("event", (event) => current() && this.#take(event));
    connection.on("problem", (problem) => current() && this.emit("problem", problem));
    connection.on("blocked", () => current() && this.emit("blocked", null));
    connection.on("status", (status) => {
      if (!current()) return;
      if (status.status === "reconnecting") this.#endReply();
      this.emit("status", status);
      if (status.status === "open") this.#opened();
    });
    connection.on("replacing", (how) => {
      if (!current()) return;
      this.#endReply();
      this.emit("replacing", how);
    });
    connection.on("replaced", () => {
      if (!current()) return;
      this.emit("replaced", null);
      this.#opened();
    });
    await connection.open();
  }

  /** @param {import("./connection.js").ClientEvent} event */
  send(event) {
    this.#connection?.send(event);
  }

  /** @param {Int16Array<ArrayBuffer>} pcm  20 ms, mono, 24 kHz; kept until there is a connection */
  appendAudio(pcm) {
    if (this.#connection) this.#connection.appendAudio(pcm);
    else this.#early.push(pcm);
  }

  /** A turn begins that the client ends itself. */
  beginTurn() {
    if (this.#connection) this.#connection.beginTurn();
    else this.#early.drain();
  }

  /** The turn that was begun was none. */
  dropTurn() {
    if (this.#connection) this.#connection.dropTurn();
    else this.#early.drain();
  }

  /** Ask for an answer to what the conversation ends with. */
  requestAnswer() {
    this.#requested = newItemId();
    this.send({ type: "response.create", event_id: this.#requested });
    this.emit("doing", { answering: true });
  }

  /** @returns {Promise<boolean>} once what is sent arrives; false: there will be no connection */
  whenOpen() {
    if (this.open) return Promise.resolve(true);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves once all that was said is on its way to the server. */
  async caughtUp() {
    const transport = this.#connection?.transport;
    if (transport instanceof WebRtcTransport) await transport.caughtUp();
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
    const ids = [...this.#responses.keys()];
    for (const response_id of ids) this.send({ type: "response.cancel", response_id });
    if (this.#requested) this.send({ type: "response.cancel" });
    this.#reply?.interrupt(ids);
  }

  /** Nothing that was said and not sent is kept. */
  close() {
    this.#drop();
    this.#early.drain();
    this.#settle(false);
  }

  #drop() {
    const connection = this.#connection;
    this.#connection = null;
    connection?.close();
    this.#endReply();
  }

  #opened() {
    this.#settle(true);
  }

  /** @param {boolean} open */
  #settle(open) {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve(open);
  }

  #endReply() {
    this.#requested = "";
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
    this.#endReply();
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
    this.#follow(event);
    this.emit("event", event);
  }

  /** @param {ServerEvent} event */
  #follow(event) {
    if (event.type.endsWith(".delta") && this.#responses.has(event.response_id)) {
      this.#responses.set(event.response_id, true);
    } else if (event.type === "response.created") {
      this.#requested = "";
      this.#responses.set(event.response.id, false);
    } else if (event.type === "response.done") {
      const { id, streamsrv } = event.response;
      this.#responses.delete(id);
      if (streamsrv?.latency) this.#measured(id, this.#latency.measured(id, streamsrv.latency));
      this.#answered();
    } else if (event.type === "error") {
      if (event.error.event_id === this.#requested) this.#requested = "";
      this.#answered();
    }
  }

  #answered() {
    if (!this.answering) this.emit("doing", { answering: false });
  }

  /**
   * @param {string} responseId
   * @param {Record<string, number> | null} stages
   */
  #measured(responseId, stages) {
    if (stages) this.emit("latency", { responseId, stages });
  }
}
