import { ActivityTracker, changeBy } from "./activity.js";
import { AudioEngine } from "./audio-engine.js";
import { BrowserStages } from "./browser-stages.js";
import { Conversation } from "./conversation.js";
import { Emitter } from "./emitter.js";
import { PathFinder } from "./path-finder.js";
import { asProblem, isHarmless, serverProblem, soundBlocked, withoutServer } from "./problems.js";
import { ServerLink } from "./server-link.js";
import { ServerSearch } from "./server-search.js";
import { SessionOpening } from "./session-opening.js";
import { DEFAULT_OPTIONS, needsNewSession } from "./session-options.js";
import { SpeechInput } from "./speech-input.js";
import { Turns } from "./turns.js";

/** @typedef {import("./transcript.js").ServerEvent} ServerEvent */
/** @typedef {import("./session-options.js").VoiceSessionOptions} VoiceSessionOptions */

/**
 * A conversation with the server, over the best path there is.
 *
 * @extends {Emitter<{
 *   path: import("./path.js").Path,
 *   activity: import("./activity.js").Activity,
 *   messages: readonly import("./transcript.js").Message[],
 *   level: number, progress: import("./speaker.js").Played,
 *   connection: import("./connection.js").State,
 *   problem: import("./problems.js").Problem,
 *   consent: null,
 *   event: ServerEvent,
 * }>}  `consent`: only the browser could recognise speech: `configure({ browserRecognition })` with the user's answer
 */
export class VoiceSession extends Emitter {
  #server;
  #options;
  #audio = new AudioEngine();
  #link;
  #speech;
  #search;
  #browser;
  #conversation;
  #turns;
  #opening;
  #finder = new PathFinder({ server: null, browserHears: false, browserSpeaks: BrowserStages.speaks });
  #tracker = new ActivityTracker();

  /**
   * @param {import("./server.js").Server} server
   * @param {Partial<VoiceSessionOptions>} [options]
   */
  constructor(server, options = {}) {
    super();
    this.#server = server;
    this.#options = { ...DEFAULT_OPTIONS, ...options };
    this.#link = new ServerLink(server, this.#audio);
    this.#search = new ServerSearch(server);
    this.#conversation = new Conversation(this.#link);
    this.#browser = new BrowserStages(() => this.#options, this.#conversation.transcript);
    this.#turns = new Turns(this.#conversation, this.#link, this.#browser, this.#tracker);
    this.#opening = new SessionOpening(this.#link, this.#finder, {
      options: () => this.#options,
      replay: () => this.#conversation.transcript.replay(),
      stream: () => this.#speech.stream,
      quiet: () => !this.#tracker.busy && !this.#speech.pressed && !this.#conversation.waiting,
      tell: (problem) => this.emit("problem", problem),
    });
    this.#speech = new SpeechInput(() => this.#circumstances, this.#audio, this.#link, this.#browser, this.#finder);
    this.#audio.on("running", (running) => this.active && !running && this.emit("problem", soundBlocked()));
    void this.#audio.loudspeaker.choose(this.#options);
    this.#follow();
    this.#followLink();
    this.#followBrowser();
    this.#speech.learnRecognizer();
  }

  /** @returns {Readonly<VoiceSessionOptions>} */
  get options() {
    return this.#options;
  }

  /** Where its sound is played; a page may play its own there. */
  get audio() {
    return this.#audio;
  }

  get messages() {
    return this.#conversation.transcript.messages;
  }

  get path() {
    return this.#finder.path;
  }

  /** Of the server; null: not known, or it cannot be reached. */
  get capabilities() {
    return this.#finder.server;
  }

  /** Whether it was started and not closed. */
  get active() {
    return this.#tracker.doing.connection !== "idle";
  }

  /** @returns {"on" | "muted" | "off"} `off`: the user has not asked to be heard, or cannot be */
  get microphone() {
    if (this.#tracker.doing.listening) return "on";
    return this.#speech.wanted && this.#speech.muted ? "muted" : "off";
  }

  /** Whether what is said now is heard: in push-to-talk, while the button is held. */
  get listens() {
    return this.#tracker.doing.listening && !this.#tracker.doing.speaking;
  }

  get muted() {
    return this.#speech.muted;
  }

  /** Learn what the server has, so that a `start` knows at once who recognises speech. A failure is no problem yet. */
  async prepare() {
    const server = await this.#server.capabilities().catch(() => null);
    if (server && !this.active) this.#finder.learn({ server });
    return server;
  }

  /**
   * Start the session. Call it inside a tap, so that the page may play sound. Speech from now on is recognised. A failure
   * is a `problem` event, and the session continues without the failed part.
   *
   * @param {{microphone?: boolean}} [options]  without a microphone the user can only type, until one is requested
   */
  async start({ microphone = true } = {}) {
    if (this.active) return;
    this.#tracker.change({ connection: "connecting" });
    this.#speech.want(microphone);
    try {
      const unlocked = this.#audio.unlock(); // first: later calls are not inside the tap
      this.#speech.listen(); // at once: speech during the connection is kept
      await unlocked;
      const capabilities = await this.#server.capabilities();
      if (this.active) await this.#connectTo(capabilities);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Let sound through, in a tap, after the problem `sound_blocked`. A failure is a `problem` event. */
  async unlock() {
    const unlocked = this.#audio.unlock().then(() => this.#link.unlock());
    await unlocked.catch((error) => this.emit("problem", asProblem(error)));
  }

  /** @param {string} text  a written turn; starts a session without a microphone if there is none */
  say(text) {
    this.#turns.ask(text);
    this.start({ microphone: false });
  }

  /** @param {string} id  of an answer: ask for another one in its place */
  retryAnswer(id) {
    this.#turns.retry(id);
    this.start({ microphone: false });
  }

  /**
   * Ask something else in place of a message of the user. What came after it is forgotten.
   *
   * @param {string} id
   * @param {string} text
   */
  edit(id, text) {
    this.#turns.edit(id, text);
    this.start({ microphone: false });
  }

  /** Push-to-talk: start a turn, and the session if there is none. */
  press() {
    if (this.#speech.pressed || this.#options.mode !== "push-to-talk") return;
    if (!this.active) this.start();
    if (this.#tracker.sounding || this.#tracker.doing.answering) this.interrupt();
    this.#speech.press();
  }

  /** Push-to-talk: the turn is over. */
  async release() {
    if (await this.#speech.release()) this.#tracker.change({ answering: true });
  }

  /** @param {boolean} muted  unmuting opens a microphone if none is open */
  setMuted(muted) {
    this.#speech.setMuted(muted);
  }

  /** @param {Partial<VoiceSessionOptions>} changes  what a running session cannot change begins a new one */
  configure(changes) {
    const before = this.#options;
    this.#options = { ...before, ...changes };
    void this.#audio.loudspeaker.choose(this.#options);
    if ("recognizer" in changes || "speechLanguage" in changes) this.#opening.wish();
    if (changes.browserRecognition) this.#speech.learnRecognizer();
    if (!this.active) return;
    if (changes.browserRecognition === "allowed") this.#speech.listen();
    if (this.#alone) return;
    if (this.#options.deviceId !== before.deviceId && this.#speech.stream) this.#speech.open(this.#options.deviceId);
    if (needsNewSession(before, this.#options) && this.#finder.server) this.#connect().catch((error) => this.#failed(error));
    else this.#opening.update();
    this.#speech.arrange();
  }

  /** Open the microphone (again), after a problem with it. */
  async openMicrophone() {
    this.#speech.forgive();
    await this.#speech.listen(true);
  }

  /** Stop the reply. */
  interrupt() {
    this.#turns.interrupt();
  }

  /** Try to connect now, instead of waiting for the next attempt. */
  retry() {
    if (this.#alone) this.#search.look();
    else this.#link.retryNow();
  }

  /** @param {readonly import("./transcript.js").Message[]} [messages]  of another conversation, which goes on from here */
  begin(messages = []) {
    this.#conversation.restore(messages);
    if (this.#tracker.doing.connection === "reconnecting") this.#link.retryNow(); // an attempt that is under way has told the one before
    else if (this.#link.begun) this.#connect().catch((error) => this.#failed(error));
    else this.#quiet();
  }

  /** End the session. The conversation stays, and a later `start` continues it. */
  close() {
    this.#search.stop();
    this.#link.close();
    this.#quiet();
    this.#speech.close();
    this.#browser.close();
    this.#conversation.end();
    this.#tracker.change({ connection: "idle", listening: false });
  }

  get #alone() {
    return this.active && this.#tracker.doing.connection === "open" && this.#finder.server === null;
  }

  /** Who recognises speech; until it is known what the server has, the server does. */
  get #recognition() {
    return this.#finder.server === null && !this.#alone ? "server" : this.path.recognition;
  }

  /** @returns {import("./speech-input.js").Circumstances} */
  get #circumstances() {
    const echoes = this.#tracker.doing.speaking;
    return { active: this.active, recognition: this.#recognition, echoes, options: this.#options };
  }

  /** @param {import("./path.js").Capabilities} capabilities */
  async #connectTo(capabilities) {
    const expected = this.#recognition;
    this.#finder.learn({ server: capabilities });
    try {
      await this.#audio.unlock();
      if (expected === "server" && this.#recognition !== "server") this.#speech.shut();
      await this.#speech.listen();
      this.#opening.wish().forEach((problem) => this.emit("problem", problem));
      await this.#connect();
      if (!this.#audio.running) this.emit("problem", soundBlocked());
    } catch (error) {
      this.#failed(error);
    }
  }

  async #connect() {
    if (!this.active) return;
    this.#quiet();
    await this.#opening.open();
  }

  #follow() {
    this.forward(this.#conversation, "messages", "progress");
    this.forward(this.#speech, "level", "problem", "consent");
    this.forward(this.#tracker, "activity");
    this.forward(this.#finder, "path");
    this.forward(this.#audio.loudspeaker, "problem");
    this.#finder.on("path", () => this.#speech.arrange());
    this.#link.on("doing", (change) => this.#tracker.change(change));
    this.#speech.on("doing", (change) => this.#tracker.change(change));
    this.#search.on("found", (capabilities) => {
      this.#tracker.change({ connection: "connecting" });
      this.#connectTo(capabilities);
    });
  }

  #followLink() {
    const link = this.#link;
    link.on("transport", (chosen) => this.#finder.connected(chosen));
    link.on("status", (status) => this.#statusChanged(status));
    link.on("replacing", ({ heardAgain }) => this.#interrupted(heardAgain));
    link.on("replaced", () => {
      this.#opening.update(); // it may have been changed meanwhile
      this.#conversation.next();
    });
    link.on("event", (event) => this.#take(event));
    link.on("problem", (problem) => this.#failed(problem));
    link.on("blocked", () => this.emit("problem", soundBlocked()));
  }

  /** @param {import("./connection.js").State} status */
  #statusChanged(status) {
    this.emit("connection", status);
    if (status.status === "reconnecting") this.#interrupted(status.heardAgain);
    if (status.status === "closed") return this.close(); // the page was left; it may come back from the browser's cache
    this.#tracker.change({ connection: status.status });
    this.#speech.arrange();
    this.#conversation.next();
  }

  /** @param {boolean} heardAgain  the utterance in which the session ended goes to the next one */
  #interrupted(heardAgain) {
    this.#conversation.interrupted(heardAgain, this.#tracker.doing.answering);
    this.#quiet();
  }

  /** @param {unknown} error */
  #failed(error) {
    const problem = asProblem(error);
    if (problem.code === "unreachable" || problem.code === "gave_up") this.#goOnAlone();
    else if (problem.code !== "audio_lost") this.close();
    this.emit("problem", problem.code === "unreachable" ? withoutServer(this.path.recognition) : problem);
  }

  /** No server: the browser may write down what is said, until there is one. */
  #goOnAlone() {
    this.#link.close();
    this.#quiet();
    this.#speech.shut(); // the browser's recogniser opens the microphone itself
    this.#tracker.change({ connection: "open" });
    this.#finder.learn({ server: null });
    this.#search.start();
    this.#speech.listen();
  }

  /** Nobody speaks, and nobody is going to. */
  #quiet() {
    this.#browser.cancel();
    this.#tracker.quiet();
  }

  #followBrowser() {
    const browser = this.#browser;
    browser.on("changed", () => this.#conversation.changed());
    browser.on("hearing", (hearing) => this.#tracker.change({ hearing }));
    browser.on("asked", ({ id, text }) => {
      if (!this.#alone) this.#turns.ask(text, { id, spoken: true }); // else nobody is there to answer
    });
    browser.follow(this.#link);
    browser.on("speaking", (speaking) => {
      this.#tracker.change({ speaking });
      this.#speech.arrange();
    });
    browser.on("problem", ({ problem, ...fact }) => {
      this.emit("problem", problem);
      this.#finder.learn(fact);
      if (fact.browserHears === false && this.#alone) this.emit("problem", withoutServer(this.path.recognition));
    });
  }

  /** @param {ServerEvent} event */
  #take(event) {
    this.#conversation.take(event);
    this.#tracker.change(changeBy(event));
    if (this.path.voice === "browser" && this.#options.spoken) this.#browser.speak(event);
    const turn = this.#speech.turnSettled(event);
    if (turn === "taken" && this.#options.mode === "push-to-talk") this.#conversation.owe();
    if (this.#finder.take(event)) {
      this.#opening.update();
      this.#speech.listen();
    }
    if (event.type === "response.done") this.#conversation.next();
    if (event.type === "error") this.#serverError(event.error);
    this.emit("event", event);
  }

  /** @param {{code: string | null, message: string, type?: string, param?: string | null}} error */
  #serverError(error) {
    if (isHarmless(error)) return;
    // The server began to answer by itself at the same moment: it is asked again after that.
    if (error.code === "conversation_already_has_active_response") return this.#conversation.owe({ later: true });
    if (this.#opening.refusedBy(error)) this.#opening.update();
    else this.emit("problem", serverProblem(error));
    this.#conversation.next();
  }
}
