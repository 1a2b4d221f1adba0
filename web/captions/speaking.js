import { Capture, Connection, Emitter, Problem } from "../lib/index.js";
import { refusesWish } from "../lib/recognizer-choice.js";

/** @typedef {{room: string, title: string, speaker: string, translate: "en" | null}} Captions */
/** @typedef {{model: string | null, language: string | null}} Hearing  the recogniser and the language; null: the server's choice */
/** @typedef {"idle" | "connecting" | "live" | "reconnecting" | "finishing"} SpeakingStatus */

const SILENCE_MS = 700; // a shorter pause does not end a sentence
const LAST_WORDS_MS = 6000; // longest wait for the transcript of the last sentence
const PREFIX = "conversation.item.input_audio_transcription";

/**
 * Speaks in a caption room: sends the audio of a source over a connection that is restored after a loss.
 *
 * @extends {Emitter<{status: SpeakingStatus, level: number, loading: string, problem: Problem}>}  `loading`: the recogniser
 *   that is being loaded; empty: it is ready
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
        streamsrv: { captions: this.#captions, events: ["session.expiring", "recognizer.loading"] },
      }),
      splits: true,
    });
  }

  /** Connect. Throws a `Problem` if the server cannot be reached. */
  async start() {
    this.#capture.on("pcm", (pcm) => this.#connection.appendAudio(pcm));
    this.#capture.on("level", (level) => this.emit("level", level));
    this.#connection.on("problem", (problem) => this.emit("problem", problem));
    this.#connection.on("event", (event) => this.#take(event));
    this.#connection.on("replaced", () => {
      this.configure(this.#captions); // they may have changed meanwhile
      this.hear(this.#hearing);
    });
    this.#connection.on("status", ({ status }) => {
      if (this.#status === "finishing" && status !== "closed") return;
      if (status === "open") this.#tell("live");
      else if (status === "reconnecting") this.#tell("reconnecting");
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
   * Change the title, the name of the speaker, or whether the next words are translated.
   *
   * @param {Captions} captions
   */
  configure(captions) {
    this.#captions = captions;
    this.#connection.send({ type: "session.update", session: { streamsrv: { captions } } });
  }

  /**
   * Change the recogniser or the language.
   *
   * @param {Hearing} hearing
   */
  hear(hearing) {
    this.#hearing = hearing;
    this.#connection.send({ type: "session.update", session: { audio: { input: { transcription: hearing } } } });
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
    if (event.type === "streamsrv.recognizer.failed") this.emit("problem", new Problem("failed", event.error.message));
    if (event.type === "error" && refusesWish(event.error)) this.hear({ model: null, language: null });
    if (event.type === `${PREFIX}.failed` || (event.type === "error" && this.#status !== "finishing")) {
      this.emit("problem", new Problem(event.error.code ?? "failed", event.error.message));
    }
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

  /** @param {SpeakingStatus} status */
  #tell(status) {
    this.#status = status;
    this.emit("status", status);
  }
}
