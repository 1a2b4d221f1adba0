import { asProblem, Problem, serverProblem, unreachable } from "./problems.js";
import { WebRtcTransport } from "./webrtc-transport.js";
import { WebSocketTransport } from "./websocket-transport.js";

/** @typedef {import("./connection.js").Transport} Transport */
/** @typedef {import("./connection.js").TransportName} TransportName */
/** @typedef {import("./connection.js").AudioCodec} AudioCodec */
/** @typedef {{transport: Transport, name: TransportName}} Dialled */

const READY_MS = 8000; // longest wait until the server accepts the session
const NO_BETTER_ELSEWHERE = new Set(["key_required", "refused", "unreachable", "server_full"]);

/**
 * Opens sessions over the best transport that works. Does not retry a failed transport; `reasons` says why.
 */
export class Dialer {
  #server;
  #options;
  /** @type {TransportName[]} */
  #transports;
  /** @type {AudioCodec} */
  #codec;
  /** @type {string[]} why no better transport is used, one sentence each */
  reasons = [];

  /**
   * @param {import("./server.js").Server} server
   * @param {import("./connection.js").ConnectionOptions} options
   */
  constructor(server, options) {
    this.#server = server;
    this.#options = options;
    this.#transports = [...(options.transports ?? ["webrtc", "websocket"])];
    this.#codec = options.audioCodec ?? "pcm";
    if (typeof RTCPeerConnection === "undefined") this.#giveUp("webrtc", "the browser does not have it");
  }

  /** The preferred codec of audio over WebSocket. */
  get codec() {
    return this.#codec;
  }

  /**
   * Open a session, configure it and send the earlier conversation.
   *
   * @param {AbortSignal} signal  aborts, and closes what was opened
   * @returns {Promise<Dialled>} throws a `Problem`, or the reason of `signal`
   */
  async dial(signal) {
    /** @type {Problem} */
    let problem = unreachable();
    for (const name of [...this.#transports]) {
      const transport = this.#create(name);
      transport.watch = this.#options.watch ?? null;
      try {
        await transport.connect({ only: name === this.#transports.at(-1) });
        signal.throwIfAborted();
        await this.#setUp(transport);
        signal.throwIfAborted();
        if (transport.noOpus) this.noOpus(transport.noOpus);
        return { transport, name };
      } catch (error) {
        transport.close();
        signal.throwIfAborted();
        problem = asProblem(error);
        if (NO_BETTER_ELSEWHERE.has(problem.code)) throw problem;
        if (name !== this.#transports.at(-1)) this.#giveUp(name, problem.message);
      }
    }
    throw (await this.#server.diagnose()) ?? problem;
  }

  /** @param {string} why  Opus is not used */
  noOpus(why) {
    this.#codec = "pcm";
    this.#notUsed("Opus", why);
  }

  /**
   * @param {TransportName} name
   * @returns {Transport}
   */
  #create(name) {
    const { query = {}, audio = null } = this.#options;
    if (name === "websocket") return new WebSocketTransport(this.#server, query, this.#codec);
    return new WebRtcTransport(this.#server, query, audio);
  }

  /**
   * @param {Transport} transport
   * @returns {Promise<void>}
   */
  #setUp(transport) {
    return new Promise((resolve, reject) => {
      /** @param {() => void} settle */
      const settled = (settle) => {
        clearTimeout(timer);
        removeClose();
        removeEvent();
        settle();
      };
      const fail = (/** @type {Problem} */ problem) => settled(() => reject(problem));
      const timer = setTimeout(() => fail(new Problem("no_session", "The server doesn't answer.")), READY_MS);
      const removeClose = transport.on("close", (reason) => fail(new Problem("closed", reason)));
      const removeEvent = transport.on("event", (event) => {
        const again = event.type === "error" && this.#options.refused?.(event.error);
        if (event.type === "session.created" || again) {
          transport.send({ type: "session.update", session: this.#options.session() });
        } else if (event.type === "session.updated") {
          for (const replayed of this.#options.replay?.() ?? []) transport.send(replayed);
          settled(resolve);
        } else if (event.type === "error") {
          fail(serverProblem(event.error));
        }
      });
    });
  }

  /**
   * @param {TransportName} name
   * @param {string} why
   */
  #giveUp(name, why) {
    this.#transports = this.#transports.filter((each) => each !== name);
    this.#notUsed(name === "webrtc" ? "WebRTC" : "WebSocket", why);
  }

  /**
   * @param {string} what
   * @param {string} why
   */
  #notUsed(what, why) {
    this.reasons.push(`${what} is not used: ${why.replace(/\.$/, "")}.`);
  }
}
