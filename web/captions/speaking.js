import { Capture, Connection, Emitter } from "../lib/index.js";
import { refusesWish } from "../lib/recognizer-choice.js";
import { captionProblem, notRecognized, recognizerFailed } from "./caption-problems.js";

/**
 * @typedef {object} Captions  as in the session object
 * @property {string} room
 * @property {string} title
 * @property {string} speaker
 * @property {"en" | null} translate
 * @property {import("./word-lists.js").Replacement[]} [replacements]  absent: the room's own stay
 *
 * @typedef {object} Hearing
 * @property {string | null} model  the recogniser; null: the server's choice
 * @property {string | null} language  null: the server's choice
 * @property {string[]} keywords  the vocabulary
 *
 * @typedef {"idle" | "connecting" | "live" | "reconnecting" | "finishing"} SpeakingStatus
 */

const SILENCE_MS = 700; // a shorter pause does not end a sentence
const LAST_WORDS_MS = 6000; // longest wait for the transcript of the last sentence
const TAIL_MS = 1000; // of silence that is sent after a pause began, so that the sentence ends
const BLOCK_MS = 20; // of audio
const BACKOFF = { maxDelayMs: 2000, giveUpMs: 3_600_000 }; // captions that come late are missed
const KEYWORDS = "session.audio.input.transcription.keywords";
const PREFIX = "conversation.item.input_audio_transcription";

/**
 * Speaks in a caption room: sends the audio of a source over a connection that is restored after a loss.
 *
 * @extends {Emitter<{status: {status: SpeakingStatus, retryInMs: number}, level: number, loading: string, problem: import("../lib/index.js").Problem}>}
 *   `loading`: the recogniser that is being loaded; empty: it is ready
 */
export class Speaking extends Emitter {
  #source;
  #capture;
  #connection;
  #captions;
  #hearing;
  /** @type {SpeakingStatus} */
  #status = "idle";
  #released = false;
  #muted = false;
  #paused = false;
  #tailMs = 0;

  /**
   * @param {import("../lib/index.js").AudioEngine} audio  unlocked
   * @param {import("../lib/index.js").Server} server
   * @param {import("./sources.js").Source} source
   * @param {Captions} captions
   * @param {Hearing} hearing
   */
  constructor(audio, server, source, captions, hearing) {
    super();
    this.#source = source;
    this.#captions = captions;
    this.#hearing = hearing;
    this.#capture = new Capture(audio, source.stream);
    // WebSocket loses no audio: captions may be late, but need every word.
    this.#connection = new Connection(server, {
      transports: ["websocket"],
      query: { intent: "transcription", captions: captions.room },
      session: () => ({
        type: "transcription",
        audio: {
          input: {
            transcription: this.#hearing,
            turn_detection: { type: "server_vad", silence_duration_ms: SILENCE_MS },
          },
        },
        streamsrv: { captions: this.#told, events: ["session.expiring", "recognizer.loading"] },
      }),
      refused: (error) => this.#goWithout(error),
      backoff: BACKOFF,
      splits: true,
    });
  }

  /** What the server is told of the captions. */
  get #told() {
    return this.#paused ? { ...this.#captions, paused: true } : this.#captions;
  }

  /** Connect. Throws a `Problem` if the server cannot be reached. */
  async start() {
    this.#capture.on("pcm", (pcm) => this.#send(pcm));
    this.#capture.on("level", (level) => this.emit("level", this.#muted || this.#paused ? 0 : level));
    this.#connection.on("problem", (problem) => this.emit("problem", problem));
    this.#connection.on("event", (event) => this.#take(event));
    this.#connection.on("replaced", () => {
      this.configure(this.#captions); // they may have changed meanwhile
      this.hear(this.#hearing);
    });
    this.#connection.on("status", ({ status, retryInMs }) => {
      if (this.#status === "finishing" && status !== "closed") return;
      if (status === "open") this.#tell("live");
      else if (status === "reconnecting") this.#tell("reconnecting", retryInMs);
      else if (status === "closed" && this.#status !== "idle") this.#end();
    });
    this.#tell("connecting");
    void this.#source.ended.then((problem) => {
      if (problem && this.#status !== "idle") this.emit("problem", problem);
      return this.stop();
    });
    try {
      await this.#connection.open();
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  /**
   * Change the title, the name of the speaker, what replaces what, or whether the next words are translated.
   *
   * @param {Captions} captions
   */
  configure(captions) {
    this.#captions = captions;
    this.#connection.send({ type: "session.update", session: { streamsrv: { captions: this.#told } } });
  }

  /**
   * Change the recogniser, the language or the vocabulary.
   *
   * @param {Hearing} hearing
   */
  hear(hearing) {
    this.#hearing = hearing;
    this.#connection.send({ type: "session.update", session: { audio: { input: { transcription: hearing } } } });
  }

  /** @param {boolean} muted  nothing of the source is captioned meanwhile */
  setMuted(muted) {
    this.#muted = muted;
  }

  /** @param {boolean} paused  as muted, and the viewers are told */
  setPaused(paused) {
    this.#paused = paused;
    this.#tailMs = TAIL_MS;
    this.#source.hold?.(paused);
    this.configure(this.#captions);
  }

  /** Try again at once, instead of waiting for the next attempt. */
  retryNow() {
    this.#connection.retryNow();
  }

  /** Stop after the transcript of the last words. */
  async stop() {
    if (this.#status === "idle" || this.#status === "finishing") return;
    this.#tell("finishing");
    this.#release();
    await this.#lastWords();
    this.#connection.close();
    this.#end();
  }

  /** Resolves after the transcript of the last speech, also of audio that waits for the connection, or after a timeout. */
  #lastWords() {
    return new Promise((resolve) => {
      setTimeout(resolve, LAST_WORDS_MS);
      let committed = false;
      this.#connection.on("event", ({ type }) => {
        committed ||= type === "input_audio_buffer.committed" || type === "error"; // an error: there was no audio
        if (committed && !this.#connection.busy) resolve(undefined);
      });
      const commit = () => this.#connection.send({ type: "input_audio_buffer.commit" });
      this.#connection.on("status", ({ status }) => status === "open" && commit());
      this.#connection.on("replaced", commit);
      this.#connection.retryNow();
      commit();
    });
  }

  /** @param {import("../lib/connection.js").ServerEvent} event */
  #take(event) {
    if (event.type === "streamsrv.recognizer.loading") this.emit("loading", event.model);
    if (event.type === "streamsrv.recognizer.ready") this.emit("loading", "");
    if (event.type === "streamsrv.recognizer.failed") this.emit("problem", recognizerFailed(event.model, event.error));
    if (event.type === "error" && this.#goWithout(event.error)) this.hear(this.#hearing);
    if (event.type === `${PREFIX}.failed`) this.emit("problem", notRecognized(event.error));
    if (event.type === "error" && this.#status !== "finishing") this.emit("problem", captionProblem(event.error));
  }

  /** @param {Int16Array<ArrayBuffer>} pcm  20 ms */
  #send(pcm) {
    if (this.#paused) {
      if (this.#tailMs <= 0) return;
      this.#tailMs -= BLOCK_MS;
    }
    this.#connection.appendAudio(this.#muted || this.#paused ? new Int16Array(pcm.length) : pcm);
  }

  /**
   * Wish no more for what the server refuses: the vocabulary, or the recogniser and the language.
   *
   * @param {{param?: string | null}} error  of the server
   * @returns {boolean} whether there is now less to refuse
   */
  #goWithout(error) {
    if (!refusesWish(error)) return false;
    const { model, language, keywords } = this.#hearing;
    if (error.param?.startsWith(KEYWORDS)) this.#hearing = { model, language, keywords: [] };
    else this.#hearing = { model: null, language: null, keywords };
    return error.param?.startsWith(KEYWORDS) ? keywords.length > 0 : model !== null || language !== null;
  }

  #end() {
    if (this.#status === "idle") return;
    this.#release();
    this.#tell("idle");
  }

  /** Release the microphone, the tab or the file. */
  #release() {
    if (this.#released) return;
    this.#released = true;
    this.#capture.close();
    this.#source.close();
  }

  /**
   * @param {SpeakingStatus} status
   * @param {number} [retryInMs]
   */
  #tell(status, retryInMs = 0) {
    this.#status = status;
    this.emit("status", { status, retryInMs });
  }
}
