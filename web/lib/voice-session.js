import { activity } from "./activity.js";
import { AudioEngine } from "./audio-engine.js";
import { BrowserStages } from "./browser-stages.js";
import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { LatencyTracker } from "./latency.js";
import { choosePath } from "./path.js";
import { noRecognition, Problem, soundBlocked } from "./problems.js";
import { PlayedReply, RemoteReply } from "./reply.js";
import { DEFAULT_OPTIONS, needsNewSession, sessionObject } from "./session-options.js";
import { Speaker } from "./speaker.js";
import { Transcript } from "./transcript.js";
import { VoiceInput } from "./voice-input.js";
import { WebRtcTransport } from "./webrtc-transport.js";

/** @typedef {import("./transcript.js").ServerEvent} ServerEvent */
/** @typedef {import("./session-options.js").VoiceSessionOptions} VoiceSessionOptions */

const SERVER_POLL_MS = 10_000; // while the browser does everything alone
const SHORTEST_PRESS_MS = 200; // a tap on push-to-talk is no turn
const TRACK_DELAY_MS = 250; // a WebRTC track arrives after the events of the same moment
const FAILURES_LIMIT = 2; // recognitions in a row that may fail before the browser takes over

/**
 * A conversation with the server, over the best path there is.
 *
 * @extends {Emitter<{
 *   path: import("./path.js").Path,
 *   activity: import("./activity.js").Activity,
 *   messages: readonly import("./transcript.js").Message[],
 *   level: number,
 *   progress: import("./speaker.js").Played,
 *   connection: {status: import("./connection.js").Status, attempt: number, retryInMs: number, reason: string},
 *   problem: Problem,
 *   event: ServerEvent,
 * }>}
 */
export class VoiceSession extends Emitter {
  #server;
  #options;
  #audio = new AudioEngine();
  #input = new VoiceInput(this.#audio);
  #browser;
  #transcript = new Transcript(() => Date.now());
  #latency = new LatencyTracker();
  /** @type {import("./path.js").Facts} */
  #facts = { server: null, browserHears: BrowserStages.hears, browserSpeaks: BrowserStages.speaks };
  #path = choosePath(this.#facts);
  /** @type {import("./activity.js").Doing} */
  #doing = { connection: "idle", listening: false, hearing: false, answering: false, playing: false, held: false };
  /** @type {import("./activity.js").Activity} */
  #activity = "idle";
  /** @type {Connection | null} */
  #connection = null;
  /** @type {PlayedReply | RemoteReply | null} */
  #reply = null;
  /** Responses that are not done. */
  #responses = new Set();
  #muted = false;
  #pressedAt = 0;
  #answerOwed = false;
  #utterance = "";
  #recognitionFailures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #poll;

  /**
   * @param {import("./server.js").Server} server
   * @param {Partial<VoiceSessionOptions>} [options]
   */
  constructor(server, options = {}) {
    super();
    this.#server = server;
    this.#options = { ...DEFAULT_OPTIONS, ...options };
    this.#browser = new BrowserStages(this.#options.language);
    this.#followInput();
    this.#followBrowser();
  }

  /** @returns {Readonly<VoiceSessionOptions>} */
  get options() {
    return this.#options;
  }

  get messages() {
    return this.#transcript.messages;
  }

  get path() {
    return this.#path;
  }

  /** Whether it was started and not closed. */
  get active() {
    return this.#doing.connection !== "idle";
  }

  /**
   * Begin. Call it inside a tap, which is what lets the page play sound. What fails is a `problem` event, and the session
   * then does with less.
   *
   * @param {{microphone?: boolean}} [options]  without a microphone one can only type
   */
  async start({ microphone = true } = {}) {
    if (this.active) return;
    this.#do({ connection: "connecting" });
    try {
      await this.#audio.unlock();
      const [capabilities] = await Promise.all([
        this.#server.capabilities(),
        microphone && this.#input.open(this.#options.deviceId),
      ]);
      this.#facts.server = capabilities;
      await this.#connect();
      if (!this.#audio.running) this.emit("problem", soundBlocked());
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Let sound through, in a tap, after the problem `sound_blocked`. */
  async unlock() {
    await this.#audio.unlock();
    const transport = this.#connection?.transport;
    if (transport instanceof WebRtcTransport) await transport.unlock();
  }

  /**
   * A written turn.
   *
   * @param {string} text
   */
  say(text) {
    const id = newId();
    this.#transcript.putUser(id, text);
    this.#changed();
    this.#ask(id, text);
  }

  /** Push-to-talk: what is said from here on is a turn. */
  press() {
    if (this.#pressedAt || this.#options.mode !== "push-to-talk") return;
    this.#pressedAt = performance.now();
    this.#needMicrophone();
    if (this.#doing.playing || this.#doing.answering) this.interrupt();
    this.#connection?.send({ type: "input_audio_buffer.clear" });
    this.#arrange();
    this.#do({ hearing: true });
  }

  /** Push-to-talk: the turn is over. */
  release() {
    if (!this.#pressedAt) return;
    const held = performance.now() - this.#pressedAt;
    this.#pressedAt = 0;
    this.#do({ hearing: false });
    const finish = () => {
      this.#arrange();
      if (held < SHORTEST_PRESS_MS || this.#path.recognition !== "server") return;
      this.#connection?.send({ type: "input_audio_buffer.commit" });
      this.#connection?.send({ type: "response.create" });
      this.#do({ answering: true });
    };
    if (this.#connection?.transport?.carriesAudio) setTimeout(finish, TRACK_DELAY_MS);
    else finish();
  }

  /** @param {boolean} muted  unmuting opens a microphone if none is open */
  setMuted(muted) {
    this.#muted = muted;
    if (!muted) this.#needMicrophone();
    this.#arrange();
  }

  get muted() {
    return this.#muted;
  }

  /**
   * Change options; what a running session cannot change begins a new one, with the same conversation.
   *
   * @param {Partial<VoiceSessionOptions>} changes
   */
  configure(changes) {
    const before = this.#options;
    this.#options = { ...before, ...changes };
    if (!this.active || this.#alone) return;
    if (changes.deviceId !== undefined && changes.deviceId !== before.deviceId) this.#input.open(changes.deviceId);
    if (needsNewSession(before, this.#options)) this.#connect().catch((error) => this.#failed(error));
    else this.#connection?.send({ type: "session.update", session: this.#sessionObject() });
    this.#arrange();
  }

  /** Open the microphone (again), after a problem with it. */
  openMicrophone() {
    return this.#input.open(this.#options.deviceId);
  }

  /** Stop the reply. */
  interrupt() {
    for (const response_id of this.#responses) this.#connection?.send({ type: "response.cancel", response_id });
    this.#reply?.interrupt([...this.#responses]);
    this.#browser.cancel();
    this.#do({ answering: false });
  }

  /** Try to connect now, instead of waiting for the next attempt. */
  retry() {
    if (this.#alone) this.#lookForServer();
    else this.#connection?.retryNow();
  }

  /** Forget the conversation. */
  reset() {
    this.#transcript.clear();
    this.#changed();
    if (this.active && !this.#alone) this.#connect().catch((error) => this.#failed(error));
  }

  /** End it. The conversation stays, and a later `start` goes on with it. */
  close() {
    clearTimeout(this.#poll);
    this.#disconnect();
    this.#input.close();
    this.#browser.close();
    this.#transcript.connectionLost();
    this.#changed();
    this.#do({ connection: "idle", listening: false });
  }

  // --- connecting -----------------------------------------------------------------------------------------------------

  get #alone() {
    return this.active && this.#facts.server === null;
  }

  async #connect() {
    this.#disconnect();
    this.#path = choosePath(this.#facts);
    const { model, transports } = this.#options;
    const offered = this.#facts.server?.transports ?? [];
    const connection = new Connection(this.#server, {
      query: model ? { model } : {},
      session: () => this.#sessionObject(),
      replay: () => this.#transcript.replay(),
      transports: transports.filter((name) => offered.includes(name)),
      stream: () => this.#input.stream,
    });
    this.#connection = connection;
    connection.on("transport", ({ name, reasons }) => this.#transportChanged(connection, name, reasons));
    connection.on("status", (status) => this.#statusChanged(connection, status));
    connection.on("event", (event) => this.#take(event));
    connection.on("problem", (problem) => this.#connectionProblem(problem));
    connection.on("blocked", () => this.emit("problem", soundBlocked()));
    await connection.open();
  }

  #disconnect() {
    const connection = this.#connection;
    this.#connection = null; // first: what it says from here on is of no interest
    connection?.close();
    this.#endReply();
  }

  #sessionObject() {
    return sessionObject(this.#options, this.#path);
  }

  /**
   * @param {Connection} connection
   * @param {import("./connection.js").TransportName} name
   * @param {string[]} reasons
   */
  #transportChanged(connection, name, reasons) {
    this.#endReply();
    const { transport } = connection;
    this.#facts.transport = name;
    this.#facts.transportReasons = reasons;
    this.#choosePath();
    const reply = transport instanceof WebRtcTransport ? new RemoteReply(transport) : this.#playedReply(connection);
    this.#reply = reply;
    reply.on("playing", (playing) => this.#do({ playing, ...(playing ? { answering: false } : {}) }));
    reply.on("held", (held) => this.#do({ held }));
    reply.on("progress", (played) => this.#played(played));
    reply.on("arrived", ({ responseId }) => this.#latency.audioArrived(responseId, performance.now()));
    reply.on("begun", ({ responseId, delayMs }) => {
      this.#addLatency(responseId, this.#latency.played(responseId, performance.now() + delayMs));
    });
  }

  /** @param {Connection} connection */
  #playedReply(connection) {
    return new PlayedReply(new Speaker(this.#audio), (event) => connection.send(event));
  }

  /**
   * @param {Connection} connection
   * @param {{status: import("./connection.js").Status, attempt: number, retryInMs: number, reason: string}} status
   */
  #statusChanged(connection, status) {
    if (connection !== this.#connection) return;
    this.emit("connection", status);
    if (status.status === "reconnecting") {
      this.#transcript.connectionLost();
      this.#endReply();
      this.#changed();
    }
    if (status.status !== "closed") this.#do({ connection: status.status });
    this.#arrange();
    if (status.status === "open" && this.#answerOwed) {
      this.#answerOwed = false;
      this.#requestAnswer();
    }
  }

  /** @param {Problem} problem */
  #connectionProblem(problem) {
    this.emit("problem", problem);
    if (problem.code === "gave_up") this.#goOnAlone();
    else if (problem.code !== "audio_lost") this.close();
  }

  /** @param {unknown} error */
  #failed(error) {
    const problem = error instanceof Problem ? error : new Problem("failed", String(error));
    this.emit("problem", problem);
    if (problem.code === "unreachable") this.#goOnAlone();
    else this.close();
  }

  /** No server: the browser writes down what is said, until there is one. */
  #goOnAlone() {
    this.#facts.server = null;
    this.#disconnect();
    this.#do({ connection: "open" });
    this.#choosePath();
    if (this.#path.recognition === "none") this.emit("problem", noRecognition());
    this.#poll = setTimeout(() => this.#lookForServer(), SERVER_POLL_MS);
  }

  async #lookForServer() {
    clearTimeout(this.#poll);
    try {
      this.#facts.server = await this.#server.capabilities();
      await this.#connect();
    } catch {
      this.#facts.server = null;
      if (this.active) this.#poll = setTimeout(() => this.#lookForServer(), SERVER_POLL_MS);
    }
  }

  #choosePath() {
    this.#path = choosePath(this.#facts);
    this.emit("path", this.#path);
    this.#arrange();
  }

  #endReply() {
    this.#reply?.close();
    this.#reply = null;
    this.#browser.cancel();
    this.#responses.clear();
    this.#do({ hearing: false, answering: false, playing: false, held: false });
  }

  // --- hearing --------------------------------------------------------------------------------------------------------

  #followInput() {
    this.#input.on("pcm", (pcm) => this.#connection?.transport?.carriesAudio || this.#connection?.appendAudio(pcm));
    this.#input.on("level", (level) => this.emit("level", level));
    this.#input.on("problem", (problem) => this.emit("problem", problem));
    this.#input.on("stream", async (stream) => {
      const transport = this.#connection?.transport;
      if (transport instanceof WebRtcTransport) await transport.replaceStream(stream);
      this.#arrange();
    });
  }

  #needMicrophone() {
    if (this.#path.recognition === "server" && this.#input.stream === null) this.openMicrophone();
  }

  /** Open and close the ways in, by what is wanted now. */
  #arrange() {
    const connected = this.active && this.#doing.connection !== "connecting";
    const wanted = connected && !this.#muted && (this.#options.mode === "hands-free" || this.#pressedAt > 0);
    const { recognition, voice } = this.#path;
    const echoes = voice === "browser" && this.#doing.playing;
    this.#input.setGate(wanted && recognition === "server" && !echoes);
    this.#browser.hear(wanted && recognition === "browser");
    this.#do({ listening: wanted && (recognition === "browser" || (recognition === "server" && this.#input.stream !== null)) });
  }

  #followBrowser() {
    this.#browser.on("heard", ({ text, final }) => this.#recognised(text, final));
    this.#browser.on("speaking", (playing) => {
      this.#do({ playing, ...(playing ? { answering: false } : {}) });
      this.#arrange();
    });
    this.#browser.on("spoken", ({ itemId, text }) => {
      this.#transcript.spokenSentence(itemId, text);
      this.#changed();
    });
    this.#browser.on("drained", (itemId) => {
      this.#transcript.playedAll(itemId);
      this.#changed();
    });
    this.#browser.on("recognitionProblem", (problem) => {
      this.emit("problem", problem);
      this.#facts.browserHears = false;
      this.#choosePath();
    });
    this.#browser.on("voiceProblem", (problem) => {
      this.emit("problem", problem);
      this.#facts.browserSpeaks = false;
      this.#choosePath();
    });
  }

  /**
   * What the browser's own recogniser heard.
   *
   * @param {string} text
   * @param {boolean} final
   */
  #recognised(text, final) {
    this.#utterance ||= newId();
    const id = this.#utterance;
    this.#transcript.putUser(id, final ? text : "", { tentative: final ? "" : text, spoken: true });
    this.#do({ hearing: !final });
    this.#changed();
    if (!final) return;
    this.#utterance = "";
    if (!this.#alone) this.#ask(id, text);
  }

  // --- answering ------------------------------------------------------------------------------------------------------

  /**
   * @param {string} id
   * @param {string} text
   */
  #ask(id, text) {
    if (this.#doing.playing || this.#responses.size > 0) this.interrupt();
    if (this.#connection?.status !== "open") {
      this.#answerOwed = true; // the message goes with what is replayed
      return;
    }
    const content = [{ type: "input_text", text }];
    this.#connection.send({ type: "conversation.item.create", item: { id, type: "message", role: "user", content } });
    this.#requestAnswer();
  }

  #requestAnswer() {
    this.#connection?.send({ type: "response.create" });
    this.#do({ answering: true });
  }

  /** @param {ServerEvent} event */
  #take(event) {
    this.#reply?.take(event);
    if (this.#transcript.take(event)) this.#changed();
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        this.#do({ hearing: true });
        break;
      case "input_audio_buffer.speech_stopped":
        this.#do({ hearing: false });
        break;
      case "conversation.item.input_audio_transcription.completed":
        this.#recognitionFailures = 0;
        break;
      case "conversation.item.input_audio_transcription.failed":
        this.#recognitionFailed(event.error?.message ?? "It failed");
        break;
      case "response.created":
        this.#responses.add(event.response.id);
        this.#do({ answering: true });
        break;
      case "response.output_text.delta":
        if (this.#path.voice === "browser" && this.#options.spoken) this.#browser.speak(event.item_id, event.delta);
        break;
      case "response.output_text.done":
        this.#browser.finish(event.item_id);
        break;
      case "response.done":
        this.#responseDone(event.response);
        break;
      case "error":
        this.#serverError(event.error);
        break;
    }
    this.emit("event", event);
  }

  /** @param {any} response */
  #responseDone(response) {
    this.#responses.delete(response.id);
    if (this.#responses.size === 0) this.#do({ answering: false });
    const stages = response.streamsrv?.latency;
    if (stages) this.#addLatency(response.id, this.#latency.measured(response.id, stages));
  }

  /** @param {{code: string | null, message: string}} error */
  #serverError(error) {
    // The response ended while its cancellation was on the way: nothing is wrong.
    if (error.code === "response_cancel_not_active") return;
    if (error.code === "input_audio_buffer_commit_empty") this.#do({ answering: false });
    this.emit("problem", new Problem(error.code ?? "server_error", error.message));
  }

  /** @param {string} why */
  #recognitionFailed(why) {
    this.#recognitionFailures += 1;
    if (this.#recognitionFailures < FAILURES_LIMIT) return;
    this.#facts.hearingFailed = `The server's recogniser failed (${why.replace(/\.$/, "")})`;
    this.#choosePath();
    this.#connection?.send({ type: "session.update", session: this.#sessionObject() });
  }

  /** @param {import("./speaker.js").Played} played */
  #played(played) {
    if (played.complete) this.#transcript.playedAll(played.itemId);
    else this.#transcript.played(played.itemId, played.ms, played.ended);
    this.emit("progress", played);
    this.#changed();
  }

  /**
   * @param {string} responseId
   * @param {Record<string, number> | null} latency
   */
  #addLatency(responseId, latency) {
    if (!latency) return;
    this.#transcript.addLatency(responseId, latency);
    this.#changed();
  }

  #changed() {
    this.emit("messages", this.#transcript.messages);
  }

  /** @param {Partial<import("./activity.js").Doing>} change */
  #do(change) {
    Object.assign(this.#doing, change);
    const now = activity(this.#doing);
    if (now === this.#activity) return;
    this.#activity = now;
    this.emit("activity", now);
  }
}

/** An id for an item, unique in its conversation. */
function newId() {
  return `item_${Date.now().toString(36)}${Math.random().toString(36).slice(2, 10)}`;
}
