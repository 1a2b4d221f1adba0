import { Expiry } from "./expiry.js";

const CHECK_MS = 100;

/** Watches a session that the server will end, and calls back when to open the next one. */
export class Renewal {
  #replace;
  #quiet;
  #pause;
  /** @type {Expiry | null} */
  #expiry = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #checks;

  /**
   * @param {(atOnce: boolean) => void} replace  `atOnce`: also while it is not quiet
   * @param {() => boolean} quiet  whether nobody speaks, and no answer is in progress or pending
   * @param {() => boolean} pause  whether there is a pause at which the utterance may be split
   */
  constructor(replace, quiet, pause) {
    this.#replace = replace;
    this.#quiet = quiet;
    this.#pause = pause;
  }

  /** @param {number} leftMs  until the session ends */
  begin(leftMs) {
    this.#expiry = new Expiry(performance.now(), leftMs);
    this.#watch();
  }

  /** Whether the session has ended by now, or ends within a moment. */
  get due() {
    return this.#expiry?.isDue(performance.now()) ?? false;
  }

  /** The next session is being opened. */
  pause() {
    clearInterval(this.#checks);
  }

  /** The next session could not be opened: try again later. */
  failed() {
    this.#expiry?.failed(performance.now());
    this.#watch();
  }

  /** The next session is open. */
  stop() {
    this.pause();
    this.#expiry = null;
  }

  #watch() {
    this.pause();
    if (this.#expiry) this.#checks = setInterval(() => this.#check(), CHECK_MS);
  }

  #check() {
    const decision = this.#expiry?.check(performance.now(), this.#quiet(), this.#pause());
    if (decision === "replace") this.#replace(false);
    else if (decision === "replace_at_once") this.#replace(true);
  }
}
