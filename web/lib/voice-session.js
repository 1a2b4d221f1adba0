import { ActivityTracker, changeBy } from "./activity.js";
import { AudioEngine } from "./audio-engine.js";
import { BrowserStages } from "./browser-stages.js";
import { Emitter } from "./emitter.js";
import { newItemId } from "./item-id.js";
import { PathFinder } from "./path-finder.js";
import { asProblem, Problem, soundBlocked, withoutServer } from "./problems.js";
import { PushToTalk } from "./push-to-talk.js";
import { ServerLink } from "./server-link.js";
import { ServerSearch } from "./server-search.js";
import { DEFAULT_OPTIONS, needsNewSession, sessionObject } from "./session-options.js";
import { Transcript } from "./transcript.js";
import { VoiceInput } from "./voice-input.js";

/** @typedef {import("./transcript.js").ServerEvent} ServerEvent */
/** @typedef {import("./session-options.js").VoiceSessionOptions} VoiceSessionOptions */

/**
 * A conversation with the server, over the best path there is.
 *
 * @extends {Emitter<{
 *   path: import("./path.js").Path,
 *   activity: import("./activity.js").Activity,
 *   messages: readonly import("./transcript.js").Message[],
 *   level: number,
 *   progress: import("./speaker.js").Played,
 *   connection: import("./connection.js").State,
 *   problem: Problem,
 *   event: ServerEvent,
 * }>}
 */
export class VoiceSession extends Emitter {
  #server;
  #options;
  #audio = new AudioEngine();
  #input = new VoiceInput(this.#audio);
  #link;
  #button;
  #search;
  #browser;
  #transcript = new Transcript(() => Date.now());
  #finder = new PathFinder({ server: null, browserHears: BrowserStages.hears, browserSpeaks: BrowserStages.speaks });
  #tracker = new ActivityTracker();
  #muted = false;
  #wantsMicrophone = false;
  #answerOwed = false;

  /**
   * @param {import("./server.js").Server} server
   * @param {Partial<VoiceSessionOptions>} [options]
   */
  constructor(server, options = {}) {
    super();
    this.#server = server;
    this.#options = { ...DEFAULT_OPTIONS, ...options };
    this.#link = new ServerLink(server, this.#audio);
    this.#button = new PushToTalk(this.#link);
    this.#search = new ServerSearch(server);
    this.#browser = new BrowserStages(() => this.#options.language, this.#transcript);
    this.#finder.on("path", (path) => {
      this.emit("path", path);
      this.#arrange();
    });
    this.#audio.on("running", (running) => this.active && !running && this.emit("problem", soundBlocked()));
    this.#tracker.on("activity", (activity) => this.emit("activity", activity));
    this.#followLink();
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
    return this.#finder.path;
  }

  /** Whether it was started and not closed. */
  get active() {
    return this.#tracker.doing.connection !== "idle";
  }

  /**
   * Begin. Call it inside a tap, which is what lets the page play sound. What fails is a `problem` event, and the
   * session then does with less.
   *
   * @param {{microphone?: boolean}} [options]  without a microphone one can only type
   */
  async start({ microphone = true } = {}) {
    if (this.active) return;
    this.#tracker.change({ connection: "connecting" });
    this.#wantsMicrophone = microphone;
    try {
      await this.#audio.unlock(); // first: what comes after an answer of the server is not inside the tap any more
      await this.#connectTo(await this.#server.capabilities());
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Let sound through, in a tap, after the problem `sound_blocked`. */
  async unlock() {
    await this.#audio.unlock();
    await this.#link.unlock();
  }

  /**
   * A written turn.
   *
   * @param {string} text
   */
  say(text) {
    const id = newItemId();
    this.#transcript.putUser(id, text);
    this.#changed();
    this.#ask(id, text);
  }

  /** Push-to-talk: what is said from here on is a turn. */
  press() {
    if (this.#button.pressed || this.#options.mode !== "push-to-talk") return;
    this.#needMicrophone();
    if (this.#tracker.doing.playing || this.#tracker.doing.answering) this.interrupt();
    this.#button.press();
    this.#tracker.change({ hearing: true });
    this.#arrange();
  }

  /** Push-to-talk: the turn is over. */
  async release() {
    if (!this.#button.pressed) return;
    this.#tracker.change({ hearing: false });
    const said = await this.#button.release();
    this.#arrange();
    if (said && this.path.recognition === "server") this.#requestAnswer();
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
    else this.#update();
    this.#arrange();
  }

  /** Open the microphone (again), after a problem with it. */
  async openMicrophone() {
    this.#finder.learn({ browserHears: BrowserStages.hears });
    if (this.path.recognition === "server") await this.#input.open(this.#options.deviceId);
  }

  /** Stop the reply. */
  interrupt() {
    this.#link.interrupt();
    this.#browser.cancel();
    this.#tracker.change({ answering: false });
  }

  /** Try to connect now, instead of waiting for the next attempt. */
  retry() {
    if (this.#alone) this.#search.look();
    else this.#link.retryNow();
  }

  /** Forget the conversation. */
  reset() {
    this.#transcript.clear();
    this.#changed();
    if (this.active && !this.#alone) this.#connect().catch((error) => this.#failed(error));
  }

  /** End it. The conversation stays, and a later `start` goes on with it. */
  close() {
    this.#search.stop();
    this.#disconnect();
    this.#input.close();
    this.#browser.close();
    this.#transcript.connectionLost();
    this.#changed();
    this.#tracker.change({ connection: "idle", listening: false });
  }

  get #alone() {
    return this.active && this.#finder.server === null;
  }

  /** @param {import("./path.js").Capabilities} capabilities */
  async #connectTo(capabilities) {
    this.#finder.learn({ server: capabilities });
    try {
      await this.#audio.unlock();
      if (this.#wantsMicrophone) await this.#needMicrophone();
      await this.#connect();
      if (!this.#audio.running) this.emit("problem", soundBlocked());
    } catch (error) {
      this.#failed(error);
    }
  }

  async #connect() {
    this.#disconnect();
    const { model, transports, audioCodec } = this.#options;
    await this.#link.connect({
      query: model ? { model } : {},
      session: () => sessionObject(this.#options, this.path),
      replay: () => this.#transcript.replay(),
      transports: transports.filter((name) => this.#finder.server?.transports.includes(name)),
      audioCodec,
      stream: () => this.#input.stream,
    });
  }

  #disconnect() {
    this.#link.close();
    this.#quiet();
  }

  /** Tell the server what the session should be now. */
  #update() {
    this.#link.send({ type: "session.update", session: sessionObject(this.#options, this.path) });
  }

  #followLink() {
    const link = this.#link;
    link.on("transport", (chosen) => this.#finder.connected(chosen));
    link.on("status", (status) => this.#statusChanged(status));
    link.on("event", (event) => this.#take(event));
    link.on("problem", (problem) => this.#failed(problem));
    this.#search.on("found", (capabilities) => this.#connectTo(capabilities));
    link.on("blocked", () => this.emit("problem", soundBlocked()));
    link.on("doing", (change) => this.#tracker.change(change));
    link.on("progress", (played) => {
      this.#transcript.played(played);
      this.emit("progress", played);
      this.#changed();
    });
    link.on("latency", ({ responseId, stages }) => {
      this.#transcript.addLatency(responseId, stages);
      this.#changed();
    });
  }

  /** @param {import("./connection.js").State} status */
  #statusChanged(status) {
    this.emit("connection", status);
    if (status.status === "reconnecting") {
      this.#answerOwed ||= this.#tracker.doing.answering;
      this.#transcript.connectionLost();
      this.#quiet();
      this.#changed();
    }
    if (status.status === "closed") return this.close(); // the page was left; it may come back from the browser's cache
    this.#tracker.change({ connection: status.status });
    this.#arrange();
    if (status.status === "open" && this.#answerOwed) this.#requestAnswer();
  }

  /** @param {unknown} error */
  #failed(error) {
    const problem = asProblem(error);
    if (problem.code === "unreachable" || problem.code === "gave_up") this.#goOnAlone();
    else if (problem.code !== "audio_lost") this.close();
    this.emit("problem", problem.code === "unreachable" ? withoutServer(this.path.recognition) : problem);
  }

  /** No server: the browser writes down what is said, until there is one. */
  #goOnAlone() {
    this.#disconnect();
    this.#input.close(); // the browser's recogniser opens the microphone itself
    this.#tracker.change({ connection: "open" });
    this.#finder.learn({ server: null });
    this.#search.start();
  }

  /** Nobody speaks, and nobody is going to. */
  #quiet() {
    this.#browser.cancel();
    this.#tracker.change({ hearing: false, answering: false, playing: false, held: false });
  }

  #followInput() {
    this.#input.on("pcm", (pcm) => this.#link.appendAudio(pcm));
    this.#input.on("level", (level) => this.emit("level", level));
    this.#input.on("problem", (problem) => this.emit("problem", problem));
    this.#input.on("stream", async (stream) => {
      await this.#link.replaceStream(stream);
      this.#arrange();
    });
  }

  async #needMicrophone() {
    if (this.#input.stream === null) await this.openMicrophone();
  }

  /** Open and close the ways in, by what is wanted now. */
  #arrange() {
    const connected = this.active && this.#tracker.doing.connection !== "connecting";
    const wanted = connected && !this.#muted && (this.#options.mode === "hands-free" || this.#button.pressed);
    const { recognition, voice } = this.path;
    const echoes = voice === "browser" && this.#tracker.doing.playing;
    this.#input.setGate(wanted && recognition === "server" && !echoes);
    this.#browser.hear(wanted && recognition === "browser");
    const heard = recognition === "browser" || (recognition === "server" && this.#input.stream !== null);
    this.#tracker.change({ listening: wanted && heard });
  }

  #followBrowser() {
    const browser = this.#browser;
    browser.on("changed", () => this.#changed());
    browser.on("hearing", (hearing) => this.#tracker.change({ hearing }));
    browser.on("asked", ({ id, text }) => !this.#alone && this.#ask(id, text));
    browser.on("playing", (playing) => {
      this.#tracker.change({ playing });
      this.#arrange();
    });
    browser.on("problem", ({ problem, ...fact }) => {
      this.emit("problem", problem);
      this.#finder.learn(fact);
    });
  }

  /**
   * @param {string} id
   * @param {string} text
   */
  #ask(id, text) {
    if (this.#tracker.doing.playing || this.#link.answering) this.interrupt();
    if (!this.#link.open) {
      this.#answerOwed = true; // the message goes with what is replayed
      return;
    }
    const content = [{ type: "input_text", text }];
    this.#link.send({ type: "conversation.item.create", item: { id, type: "message", role: "user", content } });
    this.#requestAnswer();
  }

  #requestAnswer() {
    this.#answerOwed = false;
    this.#link.send({ type: "response.create" });
    this.#tracker.change({ answering: true });
  }

  /** @param {ServerEvent} event */
  #take(event) {
    if (this.#transcript.take(event)) this.#changed();
    this.#tracker.change(changeBy(event));
    if (this.path.voice === "browser" && this.#options.spoken) this.#browser.speak(event);
    switch (event.type) {
      case "conversation.item.input_audio_transcription.completed":
        this.#finder.recognised("");
        break;
      case "conversation.item.input_audio_transcription.failed":
        if (this.#finder.recognised(event.error?.message ?? "no reason given")) this.#update();
        break;
      case "response.done":
        if (!this.#link.answering) this.#tracker.change({ answering: false });
        break;
      case "error":
        this.#serverError(event.error);
        break;
    }
    this.emit("event", event);
  }

  /** @param {{code: string | null, message: string}} error */
  #serverError(error) {
    // The response ended while its cancellation was on the way: nothing is wrong.
    if (error.code === "response_cancel_not_active") return;
    if (error.code === "input_audio_buffer_commit_empty") this.#tracker.change({ answering: false });
    this.emit("problem", new Problem(error.code ?? "server_error", error.message));
  }

  #changed() {
    this.emit("messages", this.#transcript.messages);
  }
}
