const MIN_MS = 200; // a tap is no turn
const MIN_BLOCKS = 5; // of 20 ms: the server takes no less
const TRACK_DELAY_MS = 250; // a WebRTC track arrives after the events of the same moment

/** @typedef {"sent" | "silent" | "none"} Turn  `silent`: nothing was heard; `none`: too short, or it goes on */

/** One turn, from pressing to letting go: on the connection there is, or on the one that is being made. */
export class PushToTalk {
  #link;
  #pressedAt = 0;
  #ending = false; // let go, and not committed yet
  #heldMs = 0;
  #blocks = 0; // of audio that were heard
  /** Whether a turn was committed of which the server has not said that it has it. */
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
    if (this.#ending) return; // what was said before is not sent yet, and belongs to the same turn
    this.#heldMs = this.#blocks = 0;
    this.#link.beginTurn();
  }

  /** 20 ms were heard. */
  heard() {
    this.#blocks += 1;
  }

  /**
   * The turn is over, unless it was too short to be one.
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
    if (this.pressed) return "none"; // the same turn goes on
    const long = arrived && this.#heldMs >= MIN_MS;
    if (!long || this.#blocks < MIN_BLOCKS) {
      this.#link.dropTurn();
      return long ? "silent" : "none";
    }
    this.#link.send({ type: "input_audio_buffer.commit" });
    this.committed = true;
    return "sent";
  }

  /** @returns {Promise<boolean>} once the server has what was said; false: it never will */
  async #delivered() {
    if (!(await this.#link.whenOpen())) return false;
    await this.#link.caughtUp();
    if (this.#link.carriesAudio) await new Promise((resolve) => setTimeout(resolve, TRACK_DELAY_MS));
    return this.#link.open || this.#delivered(); // it may have been lost meanwhile
  }
}
