import { Backoff } from "../lib/backoff.js";
import { Emitter } from "../lib/emitter.js";
import { Problem } from "../lib/problems.js";
import { EventStream } from "./event-stream.js";

/**
 * @typedef {{room: string, key: string, title: string, live: number}} RoomEvent  `live`: number of connected speakers; `key`: empty before the first speech
 * @typedef {import("./caption-text.js").PartialEvent} PartialEvent
 * @typedef {import("./caption-text.js").FinalEvent} FinalEvent
 *
 * @typedef {"connecting" | "open" | "reconnecting" | "refused" | "closed"} FeedStatus
 *   `refused`: a retry cannot help
 */

const PATIENT_MS = 10_000; // between two attempts after a long loss
const SILENCE_MS = 40_000; // the server sends something every 15 s, so a longer silence means a lost connection

/**
 * Follows a caption room, and resumes at the same place after a lost connection.
 *
 * @extends {Emitter<{
 *   room: RoomEvent & {restarted: boolean},
 *   partial: PartialEvent,
 *   final: FinalEvent & {old: boolean},
 *   status: {status: FeedStatus, retryInMs: number, problem: Problem | null},
 * }>}  `old`: from before the viewer joined; `restarted`: the room is a new one
 */
export class CaptionFeed extends Emitter {
  #server;
  #room;
  #stream = new EventStream();
  #backoff = new Backoff();
  #roomKey = "";
  #catchingUp = true;
  #closed = new AbortController();
  #wake = () => {};

  /**
   * @param {import("../lib/server.js").Server} server
   * @param {string} room
   */
  constructor(server, room) {
    super();
    this.#server = server;
    this.#room = room;
  }

  /** Follow the room until `close`. Resolves after `close`, or when the server refuses. */
  async run() {
    addEventListener("online", this.#retry);
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
    removeEventListener("online", this.#retry);
  }

  close() {
    this.#closed.abort();
    this.#wake();
    this.#tell("closed");
  }

  #retry = () => this.#wake();

  /** Read one connection until it ends. */
  async #follow() {
    const connection = new AbortController();
    const signal = AbortSignal.any([connection.signal, this.#closed.signal]);
    let silence = setTimeout(() => connection.abort(), SILENCE_MS);
    try {
      const id = this.#stream.lastEventId;
      const headers = id ? { "Last-Event-ID": id } : undefined;
      const path = `v1/streamsrv/captions/${encodeURIComponent(this.#room)}/events`;
      const { body } = await this.#server.fetch(path, { signal, headers });
      if (body === null) return;
      this.#catchingUp = true;
      this.#tell("open");
      const text = body.pipeThrough(new TextDecoderStream());
      for await (const piece of pieces(text)) {
        clearTimeout(silence);
        silence = setTimeout(() => connection.abort(), SILENCE_MS);
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
      const restarted = this.#roomKey !== "" && event.key !== "" && event.key !== this.#roomKey;
      this.#roomKey = event.key || this.#roomKey;
      this.emit("room", { ...event, restarted });
    } else if (type === "partial") {
      this.emit("partial", event);
    } else if (type === "final") {
      this.emit("final", { ...event, old: this.#catchingUp });
    }
  }

  /** @param {Problem | null} problem */
  async #wait(problem) {
    const delay = this.#backoff.next(Math.random()) ?? PATIENT_MS; // a viewer never gives up
    this.#tell("reconnecting", delay, problem);
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
