import { Backoff } from "../lib/backoff.js";
import { Emitter } from "../lib/emitter.js";
import { Problem } from "../lib/problems.js";
import { EventStream } from "./event-stream.js";
import { RoomKeys } from "./room-keys.js";

/**
 * @typedef {object} RoomEvent
 * @property {string} room
 * @property {string} key  empty before the first speech
 * @property {string} title
 * @property {number} live  how many speakers are connected
 * @property {number} paused  how many of them have paused
 * @property {boolean} kept  whether the texts outlive a restart of the server
 * @property {string[]} cleared  the keys under which texts were cleared
 * @typedef {import("./caption-text.js").PartialEvent} PartialEvent
 * @typedef {import("./caption-text.js").FinalEvent} FinalEvent
 *
 * @typedef {"connecting" | "open" | "reconnecting" | "refused" | "closed"} FeedStatus
 *   `refused`: a retry cannot help
 */

const MAX_DELAY_MS = 2000; // between two attempts: captions that come late are missed
const FULL_MS = 10_000; // before asking a server again that has no place for another viewer
const STALE_MS = 20_000; // without anything from the server, after which a page that is looked at again asks anew
const CONNECT_MS = 8000; // longest wait for the server's answer
const SILENCE_MS = 40_000; // the server sends something every 15 s, so a longer silence means a lost connection

/**
 * Follows a caption room, and resumes at the same place after a lost connection.
 *
 * @extends {Emitter<{
 *   room: RoomEvent & {change: import("./room-keys.js").Change},
 *   viewers: number,
 *   partial: PartialEvent,
 *   final: FinalEvent & {old: boolean},
 *   status: {status: FeedStatus, retryInMs: number, problem: Problem | null},
 * }>}  `old`: from before the viewer joined; `viewers`: how many there are, told only to speakers
 */
export class CaptionFeed extends Emitter {
  #server;
  #path;
  #stream = new EventStream();
  #backoff = new Backoff({ maxDelayMs: MAX_DELAY_MS, giveUpMs: Infinity });
  #keys = new RoomKeys();
  #catchingUp = true;
  #closed = new AbortController();
  #connection = new AbortController();
  #heardAt = 0;
  #atOnce = false;
  #wake = () => {};

  /**
   * @param {import("../lib/server.js").Server} server
   * @param {string} room
   * @param {boolean} [speaks]  for somebody who may speak: not counted as a viewer
   */
  constructor(server, room, speaks = false) {
    super();
    this.#server = server;
    this.#path = `v1/streamsrv/captions/${encodeURIComponent(room)}/events${speaks ? "?speaker=1" : ""}`;
  }

  /** Follow the room until `close`. Resolves after `close`, or when the server refuses. */
  async run() {
    addEventListener("online", this.#onOnline);
    document.addEventListener("visibilitychange", this.#onVisible);
    this.#tell("connecting");
    while (!this.#closed.signal.aborted) {
      const problem = await this.#follow().then(() => null, asProblem);
      if (this.#closed.signal.aborted) break;
      if (problem?.code === "key_required" || problem?.code === "refused") {
        this.#tell("refused", 0, problem);
        break;
      }
      await this.#wait(problem);
    }
    removeEventListener("online", this.#onOnline);
    document.removeEventListener("visibilitychange", this.#onVisible);
  }

  /** Try again at once, instead of waiting for the next attempt. */
  retryNow() {
    this.#wake();
  }

  close() {
    this.#closed.abort();
    this.#wake();
    this.#tell("closed");
  }

  /** The network is back or another one: what was connected over the old one may never say so. */
  #onOnline = () => this.#connectAnew();

  /** The reader is back: the browser may have frozen the page, and the connection with it. */
  #onVisible = () => {
    if (document.visibilityState !== "visible") return;
    if (Date.now() - this.#heardAt > STALE_MS) this.#connectAnew();
    else this.#wake();
  };

  #connectAnew() {
    this.#atOnce = true;
    this.#connection.abort();
    this.#wake();
  }

  /** Read one connection until it ends. */
  async #follow() {
    const connection = (this.#connection = new AbortController());
    this.#heardAt = Date.now();
    const signal = AbortSignal.any([connection.signal, this.#closed.signal]);
    let silence = setTimeout(() => connection.abort(), CONNECT_MS);
    try {
      const id = this.#stream.lastEventId;
      const headers = id ? { "Last-Event-ID": id } : undefined;
      const { body } = await this.#server.fetch(this.#path, { signal, headers });
      if (body === null) return;
      clearTimeout(silence);
      silence = setTimeout(() => connection.abort(), SILENCE_MS);
      this.#atOnce = false;
      this.#catchingUp = true;
      this.#tell("open");
      const text = body.pipeThrough(new TextDecoderStream());
      for await (const piece of pieces(text)) {
        clearTimeout(silence);
        silence = setTimeout(() => connection.abort(), SILENCE_MS);
        this.#heardAt = Date.now();
        for (const { type, data } of this.#stream.push(piece)) this.#take(type, JSON.parse(data));
        this.#catchingUp = false;
        this.#backoff.reset();
      }
    } finally {
      clearTimeout(silence);
      this.#stream.restart();
    }
  }

  /**
   * @param {string} type
   * @param {any} event
   */
  #take(type, event) {
    if (type === "room") {
      this.emit("room", { ...event, change: this.#keys.follow(event) });
    } else if (type === "viewers") {
      this.emit("viewers", event.viewers);
    } else if (type === "partial") {
      this.emit("partial", event);
    } else if (type === "final") {
      this.emit("final", { ...event, old: this.#catchingUp });
    }
  }

  /** @param {Problem | null} problem */
  async #wait(problem) {
    const next = this.#backoff.next(Math.random()) ?? MAX_DELAY_MS;
    const delay = problem?.code === "server_full" ? FULL_MS : next;
    this.#tell("reconnecting", this.#atOnce ? 0 : delay, problem);
    if (this.#atOnce) return void (this.#atOnce = false);
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, delay);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }

  /**
   * @param {FeedStatus} status
   * @param {number} [retryInMs]
   * @param {Problem | null} [problem]
   */
  #tell(status, retryInMs = 0, problem = null) {
    this.emit("status", { status, retryInMs, problem });
  }
}

/**
 * The chunks of a stream; not every browser can iterate over one.
 *
 * @param {ReadableStream<string>} stream
 */
async function* pieces(stream) {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/**
 * @param {unknown} error
 * @returns {Problem}
 */
function asProblem(error) {
  return error instanceof Problem ? error : new Problem("connection_lost", "The connection was lost.");
}
