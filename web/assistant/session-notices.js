/** Shows what goes wrong in a session, each time with a way on, and takes it back once it is right again. */

import { Notices } from "./notices.js";

/** @typedef {import("../lib/problems.js").Problem} Problem */
/** @typedef {import("../lib/transcript.js").ServerEvent} ServerEvent */

/**
 * @typedef {object} Ways  on, after a problem
 * @property {() => void} start  the session again, as it was started
 * @property {() => void} askForKey
 */

const RECOVERED = ["reconnecting", "gave_up", "unreachable", "audio_lost", "server_full", "key_required"];

export class SessionNotices {
  #notices = new Notices();
  #session;
  #ways;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #countdown;

  /**
   * @param {import("../lib/voice-session.js").VoiceSession} session
   * @param {Ways} ways
   */
  constructor(session, ways) {
    this.#session = session;
    this.#ways = ways;
    session.on("connection", (state) => this.#connectionChanged(state));
    session.on("activity", (activity) => activity === "idle" && this.#notices.hide("reconnecting"));
    session.on("event", (event) => this.#recognizerChanged(event));
    session.on("problem", (problem) => this.#show(problem));
  }

  hideAll() {
    this.#notices.hideAll();
  }

  /** A part of the page that is loaded when it is needed did not come. */
  partMissing() {
    const advice = "Check the connection and try again, or reload the page."; // a newer server has other files
    this.#notices.show("part_missing", "This part of the page couldn't be loaded.", advice);
  }

  /** @param {import("../lib/connection.js").State} state */
  #connectionChanged({ status, retryInMs, reason }) {
    clearInterval(this.#countdown);
    if (status === "open") this.#notices.hide(...RECOVERED);
    if (status === "connecting") return this.#notices.count("reconnecting", "…");
    if (status !== "reconnecting") return this.#notices.hide("reconnecting");
    const until = Date.now() + retryInMs;
    const count = () => {
      const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
      this.#notices.count("reconnecting", seconds ? ` in ${seconds} s…` : "…");
    };
    const why = reason.startsWith("The connection was") ? "" : reason; // says no more than the notice does
    this.#notices.show("reconnecting", "Connection lost.", `${why} Reconnecting`.trim());
    count();
    this.#countdown = setInterval(count, 1000);
  }

  /** @param {ServerEvent} event */
  #recognizerChanged({ type, model, error }) {
    if (!type.startsWith("streamsrv.recognizer.")) return;
    this.#notices.hide("loading");
    if (type === "streamsrv.recognizer.loading") {
      const message = `Loading the speech recogniser ${model}.`;
      this.#notices.show("loading", message, "What you say meanwhile appears afterwards.");
    } else if (type === "streamsrv.recognizer.failed") {
      const message = `The speech recogniser ${model} couldn't be loaded.`;
      this.#notices.show("loading", message, "Choose another one in the settings.", undefined, error?.message);
    }
  }

  /** @param {Problem} problem */
  #show(problem) {
    if (problem.code === "key_required") return this.#ways.askForKey();
    if (problem.code === "sound_blocked") {
      document.addEventListener("pointerdown", () => this.#playSound(), { once: true });
    }
    const { code, message, advice, detail } = problem;
    this.#notices.show(code, message, advice, this.#wayOn(problem), detail);
  }

  /**
   * @param {Problem} problem
   * @returns {import("./notices.js").Action | undefined}
   */
  #wayOn({ code }) {
    const session = this.#session;
    if (code.startsWith("microphone_")) return { label: "Try again", run: () => session.openMicrophone() };
    if (code === "sound_blocked") return { label: "Play sound", run: () => this.#playSound() };
    if (code === "unreachable" || code === "gave_up")
      return { label: "Try again", run: () => (session.active ? session.retry() : this.#ways.start()) };
    if (code === "server_full") return { label: "Try again", run: () => this.#ways.start() };
    return undefined;
  }

  async #playSound() {
    this.#notices.hide("sound_blocked"); // it comes again if sound stays blocked
    await this.#session.unlock();
  }
}
