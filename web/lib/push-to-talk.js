const MIN_MS = 200; // a shorter press is not a turn
const MIN_BLOCKS = 5; // of 20 ms: the server accepts no less
const TRACK_DELAY_MS = 250; // a WebRTC track arrives after the events of the same moment

/** @typedef {"sent" | "silent" | "none"} Turn  `silent`: there was no sound; `none`: too short, or it continues */

/** One turn, from press to release, on the open connection or on the one that is opening. */
export class PushToTalk {
  #link;
  #pressedAt = 0;
  #ending = false; // released, and not committed yet
  #heldMs = 0;
  #blocks = 0; // of audio so far
  /** Whether a turn was committed that the server has not confirmed. */
  committed = false;

  /** @param {import("./server-link.js").ServerLink} link */
  constructor(link) {
    this.#link = link;
  }

  get pressed() {
    return this.#pressedAt > 0;
  }

  press() {
    this.#pressedAt = performance.now();
    if (this.#ending) return; // the earlier speech is not sent yet and belongs to the same turn
    this.#heldMs = this.#blocks = 0;
    this.#link.beginTurn();
  }

  /** Count a block of 20 ms. */
  heard() {
    this.#blocks += 1;
  }

  /**
   * End the turn, unless it was too short.
   *
   * @returns {Promise<Turn>} once it was sent
   */
  async release() {
    if (!this.pressed) return "none";
    this.#heldMs += performance.now() - this.#pressedAt;
    this.#pressedAt = 0;
    if (this.#ending) return "none";
    this.#ending = true;
    const arrived = await this.#delivered();
    this.#ending = false;
    if (this.pressed) return "none"; // the same turn continues
    const long = arrived && this.#heldMs >= MIN_MS;
    if (!long || this.#blocks < MIN_BLOCKS) {
      this.#link.dropTurn();
      return long ? "silent" : "none";
    }
    this.#link.send({ type: "input_audio_buffer.commit" });
    this.committed = true;
    return "sent";
  }

  /** @returns {Promise<boolean>} once the server has the speech; false: it never will */
  async #delivered() {
    if (!(await this.#link.whenOpen())) return false;
    await this.#link.caughtUp();
    if (this.#link.carriesAudio) await new Promise((resolve) => setTimeout(resolve, TRACK_DELAY_MS));
    return this.#link.open || this.#delivered(); // the connection may have been lost meanwhile
  }
}
