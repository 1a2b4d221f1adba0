import { RecognizerWish } from "./recognizer-choice.js";

/** @typedef {import("./session-options.js").VoiceSessionOptions} VoiceSessionOptions */

/**
 * @typedef {object} Needs  what a session is opened with
 * @property {() => VoiceSessionOptions} options
 * @property {() => import("./transcript.js").ServerEvent[]} replay  the conversation so far
 * @property {() => MediaStream | null} stream  the microphone
 * @property {() => boolean} quiet  whether a session that is about to end may be replaced now
 * @property {(problem: import("./problems.js").Problem) => void} tell  of what the session goes without
 */

/** Opens sessions as the options and the path want them, and tells the server when they change. */
export class SessionOpening {
  #link;
  #finder;
  #needs;
  #wish;

  /**
   * @param {import("./server-link.js").ServerLink} link
   * @param {import("./path-finder.js").PathFinder} finder
   * @param {Needs} needs
   */
  constructor(link, finder, needs) {
    this.#link = link;
    this.#finder = finder;
    this.#needs = needs;
    this.#wish = new RecognizerWish(needs.tell);
  }

  /**
   * Make the wish for a recogniser, a language and a voice, of what the server has.
   *
   * @returns {import("./problems.js").Problem[]} what of it cannot be had
   */
  wish() {
    return this.#wish.make(this.#needs.options(), this.#finder.server);
  }

  /** Connect in place of the earlier connection. Throws a `Problem`. */
  async open() {
    const { replay, stream, quiet, options } = this.#needs;
    const { model, transports, audioCodec } = options();
    await this.#link.connect({
      query: model ? { model } : {},
      session: () => this.#session,
      refused: (error) => this.refusedBy(error),
      replay,
      transports: transports.filter((name) => this.#finder.server?.transports.includes(name)),
      audioCodec,
      stream,
      quiet,
    });
  }

  /** Tell the server what the session should be now. */
  update() {
    this.#link.send({ type: "session.update", session: this.#session });
  }

  /**
   * Whether the server refuses the wish. Then the session must be updated without it.
   *
   * @param {{code: string | null, message: string, param?: string | null}} error  of the server
   */
  refusedBy(error) {
    return this.#wish.refusedBy(error);
  }

  get #session() {
    return this.#wish.sessionObject(this.#needs.options(), this.#finder.path);
  }
}
