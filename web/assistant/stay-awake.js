/** Keeps the screen on during a conversation, where the browser can: a phone that sleeps does not listen. */

export class StayAwake {
  /** @type {WakeLockSentinel | null} */
  #lock = null;
  #wanted = false;

  constructor() {
    // The lock is lost whenever the page is not seen.
    document.addEventListener("visibilitychange", () => this.#arrange());
  }

  /** @param {boolean} wanted */
  keep(wanted) {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    this.#arrange();
  }

  async #arrange() {
    await this.#lock?.release();
    this.#lock = null;
    if (!this.#wanted || document.visibilityState !== "visible") return;
    try {
      this.#lock = (await navigator.wakeLock?.request("screen")) ?? null;
    } catch {
      // A low battery, or the browser does not want to: the conversation goes on all the same.
    }
  }
}
