import { AudioEngine, Capture, Emitter } from "../lib/index.js";
import { asProblem } from "../lib/problems.js";
import { ServerLink } from "../lib/server-link.js";
import { VoiceInput } from "../lib/voice-input.js";
import { merged } from "./json-paths.js";
import { FIRST_SESSION, asRequest } from "./session-fields.js";

/** @typedef {import("../lib/transcript.js").ServerEvent} ServerEvent */
/** @typedef {import("../lib/connection.js").ClientEvent} ClientEvent */
/** @typedef {import("./json-paths.js").Json} Json */

/**
 * A session whose every event can be seen. The microphone opens when it is asked to, and never by itself.
 *
 * @extends {Emitter<{
 *   wire: {side: "client" | "server", event: ServerEvent, text: string, at: number},
 *   status: import("../lib/connection.js").State,
 *   transport: import("../lib/connection.js").Chosen,
 *   problem: import("../lib/problems.js").Problem,
 *   microphone: boolean,
 *   heard: Int16Array<ArrayBuffer>,
 *   remote: Int16Array<ArrayBuffer>,
 *   progress: import("../lib/speaker.js").Played,
 *   latency: {responseId: string, stages: Record<string, number>},
 *   session: Json,
 * }>}  `heard`, `remote`: 20 ms of the microphone, and of the server's track
 */
export class PlaygroundSession extends Emitter {
  #audio = new AudioEngine();
  #link;
  #voice = new VoiceInput(this.#audio);
  /** @type {Capture | null} */
  #remote = null;
  /** @type {Json | null} the session object as the server has it; null: there was none yet */
  #session = null;
  /** @type {Map<string, Json>} what is asked for at the next connection, by who asks */
  #updates = new Map();
  #connected = false;
  #ids = 0;

  /** @param {import("../lib/server.js").Server} server */
  constructor(server) {
    super();
    this.#link = new ServerLink(server, this.#audio);
    this.forward(this.#link, "transport", "problem", "progress", "latency");
    this.#link.on("status", (state) => {
      this.#connected = state.status !== "closed";
      if (state.status === "closed") this.#stop();
      this.emit("status", state);
    });
    this.#link.on("transport", () => this.#hearServer());
    this.#link.on("blocked", () => addEventListener("pointerup", () => this.#link.unlock(), { once: true }));
    this.forward(this.#voice, "problem");
    this.#voice.on("pcm", (pcm) => {
      this.emit("heard", pcm);
      this.#link.appendAudio(pcm);
    });
    this.#voice.on("stream", async (stream) => {
      await this.#link.replaceStream(stream);
      this.emit("microphone", stream !== null);
    });
  }

  /** Whether there is a connection, or one is being opened. */
  get connected() {
    return this.#connected;
  }

  /** Whether what is sent now arrives. */
  get open() {
    return this.#link.open;
  }

  /** The session object: the server's, or what the next connection asks for. */
  get session() {
    return this.#session ?? FIRST_SESSION;
  }

  /** The session object that the next connection asks for. */
  get wanted() {
    return [...this.#updates.values()].reduce(merged, asRequest(this.session));
  }

  /**
   * Call it inside a tap. Throws a `Problem`.
   *
   * @param {{transport: import("../lib/connection.js").TransportName, model: string}} choice
   */
  async connect({ transport, model }) {
    this.#connected = true;
    try {
      await this.#audio.unlock();
      await this.#link.connect({
        query: model ? { model } : {},
        transports: [transport],
        session: () => this.wanted,
        stream: () => this.#voice.stream,
        watch: (side, event, text) => this.#seen(side, event, text),
      });
    } catch (error) {
      this.close();
      throw asProblem(error);
    }
  }

  close() {
    this.#connected = false;
    this.#link.close();
    this.#stop();
    this.emit("status", { status: "closed", attempt: 0, retryInMs: 0, reason: "", heardAgain: false });
  }

  /** @param {ClientEvent} event */
  send(event) {
    this.#link.send(event);
  }

  /**
   * Change the session: now, or at the next connection.
   *
   * @param {string} asker  its update takes the place of its earlier one that was not sent
   * @param {Json} update
   * @returns {string} the id of the event; empty: it was not sent yet
   */
  update(asker, update) {
    if (!this.open) {
      this.#updates.set(asker, update);
      return "";
    }
    const event_id = `playground_${++this.#ids}`;
    this.send({ type: "session.update", event_id, session: { type: this.session.type ?? "realtime", ...update } });
    return event_id;
  }

  /** @param {string} asker  its update is not sent at the next connection */
  withdraw(asker) {
    this.#updates.delete(asker);
  }

  async openMicrophone() {
    this.#voice.setGate(true);
    await this.#voice.open("");
  }

  closeMicrophone() {
    this.#voice.close();
  }

  /** Stop the reply. */
  interrupt() {
    this.#link.interrupt();
  }

  /**
   * @param {"client" | "server"} side
   * @param {ServerEvent | ClientEvent} event
   * @param {string} text
   */
  #seen(side, event, text) {
    const answers = side === "server" && event.type === "session.updated";
    if (answers) {
      this.#session = /** @type {ServerEvent} */ (event).session;
      this.#updates.clear();
    }
    this.emit("wire", { side, event, text, at: Date.now() });
    if (answers) this.emit("session", this.session);
  }

  #hearServer() {
    this.#remote?.close();
    this.#remote = null;
    const stream = this.#link.remote;
    if (stream === null) return;
    this.#remote = new Capture(this.#audio, stream.clone());
    this.#remote.on("pcm", (pcm) => this.emit("remote", pcm));
  }

  #stop() {
    this.#remote?.close();
    this.#remote = null;
    this.#voice.close();
  }
}
