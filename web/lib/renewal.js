import { Expiry } from "./expiry.js";

const CHECK_MS = 100;

/** Watches over a session that the server is going to end, and says when to open the next one. */
export class Renewal {
  #replace;
  #quiet;
  #pause;
  /** @type {Expiry | null} */
  #expiry = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #checks;

  /**
   * @param {(atOnce: boolean) => void} replace  `atOnce`: although it is not quiet
   * @param {() => boolean} quiet  whether nobody speaks, is answered or waits for an answer
   * @param {() => boolean} pause  whether there is a pause at which what is said may be split
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

  /** It could not be opened: try again later. */
  failed() {
    this.#expiry?.failed(performance.now());
    this.#watch();
  }

  /** There is another session. */
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
