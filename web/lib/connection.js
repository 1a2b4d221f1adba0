import { AudioBacklog } from "./audio-backlog.js";
import { Backoff } from "./backoff.js";
import { Dialer } from "./dialer.js";
import { Emitter } from "./emitter.js";
import { asProblem, Problem } from "./problems.js";
import { Renewal } from "./renewal.js";
import { UtteranceAudio } from "./utterance-audio.js";

/** @typedef {import("./transcript.js").ServerEvent} ServerEvent */
/**
 * @typedef {{event: ServerEvent, close: string, blocked: null, "codec-failed": string}} TransportEvents
 *   `blocked`: sound needs a tap first; `codec-failed`: the microphone encoder has failed
 */
/** @typedef {{type: string, [field: string]: unknown}} ClientEvent */
/** @typedef {import("./webrtc-transport.js").WebRtcTransport | import("./websocket-transport.js").WebSocketTransport} Transport */
/** @typedef {"webrtc" | "websocket"} TransportName */
/** @typedef {import("./websocket-transport.js").AudioCodec} AudioCodec */
/** @typedef {{name: TransportName, codec: AudioCodec, reasons: string[]}} Chosen  `reasons`: why no better transport is used */
/** @typedef {import("./dialer.js").Dialled} Dialled */
/** @typedef {(side: "client" | "server", event: ServerEvent | ClientEvent, text: string) => void} Watch  `side`: who sent it */
/** @typedef {"connecting" | "open" | "reconnecting" | "closed"} Status */

/**
 * @typedef {object} State
 * @property {Status} status
 * @property {number} attempt  since the connection was lost
 * @property {number} retryInMs
 * @property {string} reason  why the connection was lost
 * @property {boolean} heardAgain  the utterance in progress goes to the next session as a whole
 */

/**
 * @typedef {object} ConnectionOptions
 * @property {Record<string, string>} [query]  of the session: `model`, `intent`
 * @property {() => object} session  the session object of `session.update` after each connect
 * @property {(error: any) => boolean} [refused]  whether `session` now leaves out what the server has refused
 * @property {() => ServerEvent[]} [replay]  events that give a new session the earlier conversation
 * @property {TransportName[]} [transports]  to try, best first
 * @property {AudioCodec} [audioCodec]  codec over WebSocket; default PCM, also without support for Opus
 * @property {() => MediaStream | null} [stream]  the stream that WebRTC sends
 * @property {import("./audio-engine.js").AudioEngine} [audio]  if given, WebRTC also sends the speech from before the call
 * @property {() => boolean} [quiet]  whether a session that is about to end may be replaced now
 * @property {Watch} [watch]  is told of every event on the wire, as its JSON
 * @property {import("./backoff.js").BackoffOptions} [backoff]  when to try again after a loss
 * @property {boolean} [splits]  at the end of a session, split an utterance in progress instead of sending it again
 */

const FINAL = new Set(["key_required", "refused"]); // errors that a retry cannot fix
const EXPIRED = "session_expired";
const LEAD_MS = 1000; // of audio that the next session gets again, because the server reports speech after its start
const LAST_WORDS_MS = 6000; // longest wait for the transcript of the last utterance

/**
 * Keeps a Realtime session open: uses the best transport that connects, reconnects after a loss, and opens the next
 * session before the server ends this one. Speech without a session is kept for the next.
 *
 * @extends {Emitter<{
 *   event: ServerEvent,
 *   status: State,
 *   transport: Chosen,
 *   replacing: {heardAgain: boolean},
 *   replaced: null,
 *   problem: Problem,
 *   blocked: null,
 * }>}  `replacing`: the session ended during an utterance or answer; `heardAgain`: the next one gets the utterance again
 */
export class Connection extends Emitter {
  #dialer;
  #options;
  #backoff;
  #backlog;
  #utterance = new UtteranceAudio();
  #renewal = new Renewal(
    (atOnce) => this.#replace(atOnce),
    () => !this.#utterance.busy && (this.#options.quiet?.() ?? true),
    () => this.#options.splits === true && this.#utterance.pauses,
  );
  /** @type {Transport | null} */
  #transport = null;
  /** @type {Status} */
  #status = "closed";
  #replacing = false;
  /** @type {ServerEvent[]} of a session while the next one is opened: of interest only if it stays */
  #late = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  #dialing = new AbortController();
  /** @type {() => void} stops listening to the transport in use */
  #ignore = () => {};

  /**
   * @param {import("./server.js").Server} server
   * @param {ConnectionOptions} options
   * @param {AudioBacklog} [backlog]  audio from before the connection
   */
  constructor(server, options, backlog = new AudioBacklog()) {
    super();
    this.#options = options;
    this.#backoff = new Backoff(options.backoff);
    this.#backlog = backlog;
    this.#dialer = new Dialer(server, options);
  }

  /** @returns {Status} */
  get status() {
    return this.#status;
  }

  /** Whether events can be sent now: false while one session replaces another. */
  get ready() {
    return this.#status === "open" && !this.#replacing;
  }

  /** Whether the transcript of an utterance is still pending. */
  get busy() {
    return this.#utterance.busy;
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
      this.#use(await this.#dial());
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** @param {ClientEvent} event  dropped unless the connection is `ready` */
  send(event) {
    if (this.ready) this.#transport?.send(event);
  }

  /** @param {Int16Array<ArrayBuffer>} pcm  20 ms, mono, 24 kHz; kept for 15 s while there is no connection */
  appendAudio(pcm) {
    if (this.ready) {
      this.#utterance.push(pcm, performance.now());
      this.#transport?.appendAudio(pcm);
    } else if (this.#status !== "closed") {
      const before = this.#backlog.overflowed;
      this.#backlog.push(pcm);
      if (this.#backlog.overflowed && !before && this.#status === "reconnecting") {
        this.emit("problem", new Problem("audio_lost", "Still offline.", "What you say now is lost."));
      }
    }
  }

  /** Begin a turn that the client ends itself; earlier audio is not part of it. */
  beginTurn() {
    this.#backlog.drain();
    this.#utterance.begin();
    this.send({ type: "input_audio_buffer.clear" });
  }

  /** Discard the turn that was begun. */
  dropTurn() {
    this.#backlog.drain();
    this.#utterance.drop();
  }

  /** Try again at once, instead of waiting for the next attempt. */
  retryNow() {
    if (this.#status === "reconnecting" && this.#transport === null) this.#reconnect();
  }

  /**
   * Opus has failed: continue with PCM over a new connection.
   *
   * @param {string} why
   */
  giveUpOpus(why) {
    if (this.#transport === null || this.#dialer.codec === "pcm") return;
    this.#dialer.noOpus(why);
    this.#lost(this.#transport, `Opus failed: ${why}`);
  }

  close() {
    this.#dialing.abort();
    this.#renewal.stop();
    clearTimeout(this.#retry);
    removeEventListener("pagehide", this.#leave);
    removeEventListener("online", this.#online);
    this.#dropTransport();
    if (this.#status !== "closed") this.#setStatus("closed");
  }

  #leave = () => this.close();
  #online = () => this.retryNow();

  /** Dial, and cancel an earlier attempt. @returns {Promise<Dialled | null>} null: a later attempt replaced this one */
  async #dial() {
    this.#dialing.abort();
    const { signal } = (this.#dialing = new AbortController());
    try {
      return await this.#dialer.dial(signal);
    } catch (error) {
      if (signal.aborted) return null;
      throw error;
    }
  }

  /** @param {Dialled | null} dialled */
  #use(dialled) {
    if (dialled === null) return;
    const { transport, name } = dialled;
    const replaces = this.#replacing;
    this.#dropTransport();
    this.#transport = transport;
    const removers = [
      transport.on("close", (reason) => this.#lost(transport, reason)),
      transport.on("codec-failed", (why) => this.giveUpOpus(why)),
      transport.on("blocked", () => this.emit("blocked", null)),
      transport.on("event", (event) => this.#take(event)),
    ];
    this.#ignore = () => removers.forEach((remove) => remove());
    this.#backoff.reset();
    this.#renewal.stop();
    this.#replacing = false;
    this.#late = [];
    this.emit("transport", { name, codec: transport.codec, reasons: [...this.#dialer.reasons] });
    transport.begin(this.#sentAgain(this.#backlog.drain()), this.#options.stream?.() ?? null);
    if (replaces) this.emit("replaced", null);
    else this.#setStatus("open");
  }

  /** @param {Int16Array<ArrayBuffer>[]} blocks */
  #sentAgain(blocks) {
    for (const pcm of blocks) this.#utterance.push(pcm, performance.now());
    return blocks;
  }

  /** @param {ServerEvent} event */
  #take(event) {
    if (this.#replacing) return void this.#late.push(event); // what it hears now, the next session hears, too
    this.#utterance.follow(event, performance.now());
    if (event.type === "streamsrv.session.expiring") this.#renewal.begin(event.seconds_left * 1000);
    if (event.type === "error" && event.error.code === EXPIRED) return; // the next session opens at once
    this.emit("event", event);
  }

  /**
   * @param {Transport} transport
   * @param {string} reason
   */
  #lost(transport, reason) {
    if (transport !== this.#transport) return;
    const expired = reason === EXPIRED || this.#renewal.due;
    this.#dropTransport();
    if (this.#replacing) return; // the next session is opening already
    if (expired) return void this.#replace(true);
    const heardAgain = this.#keepUtterance(this.#utterance.heardAt - (this.#options.splits ? 0 : LEAD_MS));
    this.#wait(reason, heardAgain);
  }

  /**
   * Keep the audio without a transcript for the next session.
   *
   * @param {number} since  ms; an utterance in progress is kept as a whole, unless it may be split
   * @returns {boolean} whether an utterance in progress will be heard again
   */
  #keepUtterance(since) {
    if (this.#options.splits) this.#utterance.speaking = false;
    const heardAgain = this.#utterance.inProgress;
    this.#backlog.push(...this.#utterance.take(since));
    return heardAgain;
  }

  /**
   * Open the next session in place of this one.
   *
   * @param {boolean} atOnce  something is in progress: it ends here or continues there
   */
  async #replace(atOnce) {
    this.#renewal.pause();
    this.#replacing = true;
    if (atOnce) this.#leaveInTheMiddle();
    else {
      this.#keepUtterance(performance.now() - LEAD_MS);
      this.#transport?.pause(); // speech from now on goes to the next session
    }
    try {
      this.#use(await this.#dialNext());
    } catch (error) {
      this.#notReplaced(asProblem(error));
    }
  }

  /** Dial the next session; if the server has no place for two, close this one first. */
  #dialNext() {
    return this.#dial().catch((error) => {
      if (error.code !== "server_full" || this.#transport === null) throw error;
      this.#dropTransport();
      return this.#dial();
    });
  }

  /** Handle the end of the session during an utterance or answer. */
  #leaveInTheMiddle() {
    const transport = this.#transport;
    this.#ignore();
    this.#transport = null;
    if (this.#options.splits) {
      if (transport) retire(transport, this.#utterance.recognising);
      this.#keepUtterance(Infinity);
    } else {
      const heardAgain = this.#keepUtterance(performance.now() - LEAD_MS);
      transport?.close();
      this.emit("replacing", { heardAgain });
    }
  }

  /** @param {Problem} problem  why the next session could not be opened */
  #notReplaced(problem) {
    this.#replacing = false;
    const late = this.#late;
    this.#late = [];
    if (this.#transport === null) return this.#wait(problem.message, false);
    for (const event of late) this.#take(event);
    this.#transport.begin(this.#sentAgain(this.#backlog.drain()), this.#options.stream?.() ?? null);
    this.#renewal.failed();
    this.emit("replaced", null); // by itself
  }

  /**
   * @param {string} reason
   * @param {boolean} [heardAgain]
   */
  #wait(reason, heardAgain = false) {
    const delay = this.#backoff.next(Math.random());
    if (delay === null) {
      const advice = "Press the button to try again.";
      this.emit("problem", new Problem("gave_up", "The connection couldn't be restored.", advice, reason));
      return this.close();
    }
    this.#setStatus("reconnecting", delay, reason, heardAgain);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#reconnect(), delay);
  }

  async #reconnect() {
    clearTimeout(this.#retry);
    try {
      this.#use(await this.#dial());
    } catch (error) {
      const problem = asProblem(error);
      if (!FINAL.has(problem.code)) return this.#wait(problem.message);
      this.emit("problem", problem);
      this.close();
    }
  }

  #dropTransport() {
    this.#ignore();
    this.#transport?.close();
    this.#transport = null;
  }

  /**
   * @param {Status} status
   * @param {number} [retryInMs]
   * @param {string} [reason]
   * @param {boolean} [heardAgain]
   */
  #setStatus(status, retryInMs = 0, reason = "", heardAgain = false) {
    this.#status = status;
    this.emit("status", { status, attempt: this.#backoff.attempt, retryInMs, reason, heardAgain });
  }
}

/**
 * End the utterance of a session, wait for its transcript, and close the session.
 *
 * @param {Transport} transport
 * @param {ReadonlySet<string>} recognising  items without a transcript
 */
function retire(transport, recognising) {
  const audio = new UtteranceAudio(recognising);
  let committed = false;
  const close = () => {
    clearTimeout(timer);
    transport.close();
  };
  const timer = setTimeout(close, LAST_WORDS_MS);
  transport.on("close", close);
  transport.on("event", (event) => {
    audio.follow(event, 0);
    committed ||= event.type === "input_audio_buffer.committed" || event.type === "error"; // an error: there was no audio
    if (committed && !audio.busy) close();
  });
  transport.send({ type: "input_audio_buffer.commit" });
}
