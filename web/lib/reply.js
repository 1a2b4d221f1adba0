import { Emitter } from "./emitter.js";
import { OPUS, OpusPlayer } from "./opus.js";
import { bytesFromBase64, fromBase64 } from "./pcm.js";

/** @typedef {import("./transcript.js").ServerEvent} ServerEvent */
/** @typedef {import("./speaker.js").Played} Played */

/**
 * @typedef {{
 *   playing: boolean,
 *   held: boolean,
 *   progress: Played,
 *   arrived: {responseId: string},
 *   begun: {responseId: string, delayMs: number},
 *   undecodable: string,
 * }} ReplyEvents  `arrived`: the first audio of a response; `begun`: it is heard after `delayMs`
 */

const REPORT_MS = 200;

/**
 * Plays the server's spoken replies if the client plays them (WebSocket): stops on the server's command, and reports to
 * the sample what was played.
 *
 * @extends {Emitter<ReplyEvents>}
 */
export class PlayedReply extends Emitter {
  #speaker;
  #opus;
  #send;
  /** Responses that come as Opus; they keep the format in which they began. */
  #packed = new Set();
  /** @type {Map<string, string>} response of each item whose audio came and was not played to its end */
  #responses = new Map();
  /** Responses that the user stopped: audio of theirs that is still on its way is not played. */
  #stopped = new Set();
  #truncates = false;
  #heldNow = false;
  #playingNow = "";
  #reportedAt = 0;

  /**
   * @param {import("./speaker.js").Speaker} speaker
   * @param {(event: import("./connection.js").ClientEvent) => void} send
   */
  constructor(speaker, send) {
    super();
    this.#speaker = speaker;
    this.#opus = new OpusPlayer(speaker, (why) => this.emit("undecodable", why));
    this.#send = send;
    speaker.on("progress", (played) => this.#progress(played));
  }

  /** @param {ServerEvent} event */
  take(event) {
    switch (event.type) {
      case "response.created":
        if (event.response.audio?.output?.format?.type === OPUS) this.#packed.add(event.response.id);
        return;
      case "response.output_audio.delta":
        return this.#play(event);
      case "response.output_audio.done":
      case "streamsrv.voice.failed": // the rest of the item has no audio
        return this.#opus.finish(event.item_id);
      case "response.done":
        this.#packed.delete(event.response.id);
        this.#stopped.delete(event.response.id);
        return;
      case "streamsrv.playback.hold":
        return this.#hold(true);
      case "streamsrv.playback.resume":
        return this.#hold(false);
      case "streamsrv.playback.clear":
        return this.#clear();
    }
  }

  /**
   * Stop the reply for the user.
   *
   * @param {string[]} responseIds  that are not done yet
   */
  interrupt(responseIds) {
    for (const id of responseIds) this.#stopped.add(id);
    this.#truncates = this.#playingNow !== "";
    this.#clear();
  }

  /** Nothing is played any more. */
  close() {
    this.#clear();
    this.#speaker.close();
    this.#stop();
  }

  /** @param {ServerEvent} event */
  #play({ response_id: responseId, item_id: itemId, delta, streamsrv }) {
    if (this.#stopped.has(responseId)) return;
    if (!this.#responses.has(itemId)) {
      this.#responses.set(itemId, responseId);
      this.emit("arrived", { responseId });
    }
    if (this.#packed.has(responseId)) this.#opus.play(itemId, bytesFromBase64(delta), streamsrv);
    else this.#speaker.play(itemId, fromBase64(delta));
  }

  /** @param {Played} played */
  #progress(played) {
    const { itemId, ms, ended, complete } = played;
    const responseId = this.#responses.get(itemId);
    if (responseId !== undefined && this.#playingNow !== itemId && ms > 0) {
      this.#playingNow = itemId;
      this.emit("begun", { responseId, delayMs: this.#speaker.latencyMs });
      this.emit("playing", true);
      this.#reportedAt = 0;
    }
    this.#report(played);
    const heardMs = ended ? ms : Math.max(0, ms - this.#speaker.latencyMs);
    this.emit("progress", { ...played, ms: heardMs });
    if (!ended) return;
    this.#responses.delete(itemId);
    if (!complete && this.#truncates) {
      this.#send({ type: "conversation.item.truncate", item_id: itemId, content_index: 0, audio_end_ms: ms });
    }
    if (this.#playingNow === itemId) this.#stop();
  }

  /** @param {Played} played */
  #report({ itemId, ms, ended, complete }) {
    const now = performance.now();
    if (!ended && now - this.#reportedAt < REPORT_MS) return;
    this.#reportedAt = now;
    const report = { type: "streamsrv.playback.report", item_id: itemId, audio_ms: ms };
    this.#send(complete ? { ...report, ended: true } : report);
  }

  /** @param {boolean} held */
  #hold(held) {
    if (held) this.#speaker.hold();
    else this.#speaker.resume();
    this.#setHeld(held);
  }

  #clear() {
    this.#opus.clear();
    this.#speaker.clear();
    this.#setHeld(false);
  }

  /** @param {boolean} held */
  #setHeld(held) {
    if (held !== this.#heldNow) this.emit("held", held);
    this.#heldNow = held;
  }

  #stop() {
    this.#truncates = false;
    if (this.#playingNow) this.emit("playing", false);
    this.#playingNow = "";
  }
}

const TICK_MS = 50;

/**
 * Follows the server's spoken replies if the server plays them (WebRTC). The server knows what was played; for display it
 * is estimated here: the server sends in real time, so audio time equals clock time.
 *
 * @extends {Emitter<ReplyEvents>}
 */
export class RemoteReply extends Emitter {
  #transport;
  #itemId = "";
  #responseId = "";
  #startedAt = 0;
  #heldAt = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticks;
  /** @type {Map<string, string>} item of each response */
  #items = new Map();

  /** @param {import("./webrtc-transport.js").WebRtcTransport} transport */
  constructor(transport) {
    super();
    this.#transport = transport;
  }

  /** @param {ServerEvent} event */
  take(event) {
    switch (event.type) {
      case "response.output_item.added":
        if (event.item.type !== "message") return;
        this.#items.set(event.response_id, event.item.id);
        if (event.response_id === this.#responseId) this.#goOn(event.response_id);
        return;
      case "output_audio_buffer.started":
        return this.#start(event.response_id);
      case "output_audio_buffer.stopped":
        return this.#stop(event.response_id, true);
      case "output_audio_buffer.cleared":
        return this.#stop(event.response_id, false);
      case "streamsrv.playback.hold":
        return this.#hold();
      case "streamsrv.playback.resume":
        return this.#resume();
    }
  }

  /** The user stops what is said. */
  interrupt() {
    this.#transport.send({ type: "output_audio_buffer.clear" });
  }

  close() {
    this.#end(false);
  }

  /** @param {string} responseId */
  async #start(responseId) {
    clearInterval(this.#ticks);
    this.#responseId = responseId;
    this.#itemId = this.#items.get(responseId) ?? "";
    this.emit("arrived", { responseId });
    this.emit("playing", true);
    this.#startedAt = performance.now();
    this.#ticks = setInterval(() => this.#tick(), TICK_MS);
    const delayMs = await this.#transport.playoutDelayMs();
    this.#startedAt += delayMs;
    this.emit("begun", { responseId, delayMs });
  }

  /**
   * The response that plays has one more message: words that are said after a silence, while a tool of the server runs.
   *
   * @param {string} responseId
   */
  #goOn(responseId) {
    this.#end(true);
    this.#start(responseId);
  }

  get #ms() {
    return Math.max(0, (this.#heldAt || performance.now()) - this.#startedAt);
  }

  #tick() {
    this.emit("progress", { itemId: this.#itemId, ms: this.#ms, ended: false, complete: false });
  }

  /**
   * @param {string} responseId
   * @param {boolean} complete
   */
  #stop(responseId, complete) {
    this.#items.delete(responseId);
    this.#end(complete);
  }

  /** @param {boolean} complete */
  #end(complete) {
    clearInterval(this.#ticks);
    if (this.#itemId) this.emit("progress", { itemId: this.#itemId, ms: this.#ms, ended: true, complete });
    this.#itemId = this.#responseId = "";
    this.emit("playing", false);
    if (this.#heldAt) this.emit("held", false);
    this.#heldAt = 0;
  }

  #hold() {
    if (this.#heldAt) return;
    this.#heldAt = performance.now();
    this.emit("held", true);
  }

  #resume() {
    if (!this.#heldAt) return;
    this.#startedAt += performance.now() - this.#heldAt;
    this.#heldAt = 0;
    this.emit("held", false);
  }
}
