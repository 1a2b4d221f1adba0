/** Which sound tells what happens in a conversation. Pure. */

/** @typedef {import("../lib/activity.js").Activity} Activity */
/** @typedef {"connected" | "heard" | "ended"} Cue */

/** @type {readonly Activity[]} */
const NOT_CONNECTED = ["idle", "connecting", "reconnecting"];

export class SoundCues {
  #connects = true; // no sound has told that it listens
  #began = false;

  /**
   * @param {Activity} now
   * @param {import("../lib/session-options.js").Mode} mode
   * @returns {Cue | null}
   */
  take(now, mode) {
    if (now === "idle") {
      const ended = this.#began;
      this.#connects = true;
      this.#began = false;
      return ended ? "ended" : null;
    }
    if (NOT_CONNECTED.includes(now)) {
      this.#connects = true;
      return null;
    }
    // While the button is held the microphone would hear it.
    if (!this.#connects || now !== (mode === "hands-free" ? "listening" : "paused")) return null;
    this.#connects = false;
    this.#began = true;
    return "connected";
  }
}
