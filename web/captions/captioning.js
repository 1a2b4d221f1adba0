import { AudioEngine, Emitter } from "../lib/index.js";
import { asProblem } from "../lib/problems.js";
import { FileJob } from "./file-job.js";
import { server } from "./place.js";
import { Speaking } from "./speaking.js";

/** @typedef {import("./speaking.js").SpeakingStatus | "file"} CaptioningStatus  `file`: a file is captioned as a whole */
/** @typedef {import("./speaking.js").Captions & {hearing: import("./speaking.js").Hearing}} Wish */

/**
 * Captions the chosen source: live, or a file as a whole.
 *
 * @extends {Emitter<{
 *   status: {status: CaptioningStatus, retryInMs: number},
 *   speaking: Speaking | null,
 *   level: number,
 *   loading: string,
 *   problem: import("../lib/problems.js").Problem,
 *   progress: {seconds: number, duration: number},
 *   done: number | null,
 * }>}  `speaking`: the live session, while there is one; `progress` and `done` are of a file: how many captions it has, null
 *   if it was cancelled
 */
export class Captioning extends Emitter {
  #audio = new AudioEngine();
  #sources;
  #wish;
  /** @type {Speaking | null} */
  #speaking = null;
  /** @type {FileJob | null} */
  #job = null;

  /**
   * @param {import("./source-choice.js").SourceChoice} sources
   * @param {() => Wish} wish  what is asked of the server now
   */
  constructor(sources, wish) {
    super();
    this.#sources = sources;
    this.#wish = wish;
  }

  /** Start, or stop what runs. Call it inside the tap. */
  async toggle() {
    if (this.#job) return this.cancelFile();
    if (this.#speaking) return this.#speaking.stop();
    try {
      await (this.#sources.isWholeFile ? this.#captionFile() : this.#begin());
    } catch (error) {
      this.#use(null);
      this.#tell("idle");
      this.emit("problem", asProblem(error));
    }
  }

  cancelFile() {
    this.#job?.cancel();
  }

  retryNow() {
    this.#speaking?.retryNow();
  }

  /** The wish has changed: tell the server, while a session is live. */
  configure() {
    const { hearing: _, ...captions } = this.#wish();
    this.#speaking?.configure(captions);
  }

  /** The recogniser, the language or the vocabulary has changed. */
  hear() {
    this.#speaking?.hear(this.#wish().hearing);
  }

  async #begin() {
    this.#tell("connecting");
    const unlocked = this.#audio.unlock(); // inside the tap
    // The microphone opens without waiting, so that speech from the press on is captioned.
    if (this.#sources.kind === "file") await unlocked;
    const [opened, sound] = await Promise.allSettled([this.#sources.open(this.#audio), unlocked]);
    if (opened.status === "rejected") throw opened.reason;
    if (sound.status === "rejected") {
      opened.value.close();
      throw sound.reason;
    }
    const { hearing, ...captions } = this.#wish();
    const begun = new Speaking(this.#audio, server(), opened.value, captions, hearing);
    this.#use(begun);
    begun.on("status", (event) => {
      if (event.status === "idle") this.#use(null);
      this.emit("status", event);
    });
    this.forward(begun, "level", "loading", "problem");
    await begun.start();
    void this.#sources.listDevices(); // they have names now
  }

  async #captionFile() {
    const { file } = this.#sources;
    const { hearing, title, speaker, translate, room } = this.#wish();
    this.#job = new FileJob(room);
    this.forward(this.#job, "progress");
    this.#tell("file");
    try {
      this.emit("done", await this.#job.run(file, { title, speaker, translate, ...hearing }));
    } finally {
      this.#job = null;
    }
    this.#tell("idle");
  }

  /** @param {Speaking | null} speaking */
  #use(speaking) {
    this.#speaking = speaking;
    this.emit("speaking", speaking);
  }

  /** @param {CaptioningStatus} status */
  #tell(status) {
    this.emit("status", { status, retryInMs: 0 });
  }
}
