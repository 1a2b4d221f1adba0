const SHORTEST_MS = 200; // a tap is no turn
const TRACK_DELAY_MS = 250; // a WebRTC track arrives after the events of the same moment

/** One turn, from pressing to letting go. */
export class PushToTalk {
  #link;
  #pressedAt = 0;
  #releasing = false;

  /** @param {import("./server-link.js").ServerLink} link */
  constructor(link) {
    this.#link = link;
  }

  get pressed() {
    return this.#pressedAt > 0;
  }

  press() {
    this.#pressedAt = performance.now();
    this.#link.send({ type: "input_audio_buffer.clear" });
  }

  /**
   * The turn is over, unless it was too short to be one.
   *
   * @returns {Promise<boolean>} whether it is to be answered; until then what is heard belongs to it
   */
  async release() {
    if (this.#releasing) return false;
    this.#releasing = true;
    const held = performance.now() - this.#pressedAt;
    if (this.#link.carriesAudio) await new Promise((resolve) => setTimeout(resolve, TRACK_DELAY_MS));
    this.#pressedAt = 0;
    this.#releasing = false;
    if (held < SHORTEST_MS || !this.#link.open) return false;
    this.#link.send({ type: "input_audio_buffer.commit" });
    return true;
  }
}
