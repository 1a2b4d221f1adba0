/** Keeps the screen on during a conversation if the browser can, because a sleeping phone does not listen. */

export class StayAwake {
  /** @type {WakeLockSentinel | null} */
  #lock = null;
  #wanted = false;

  constructor() {
    // The browser releases the lock when the page is hidden.
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
      // The battery is low or the browser refuses: the conversation continues without the lock.
    }
  }
}
