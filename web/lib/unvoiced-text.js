/** Holds the text of replies that no voice of the server speaks, until the audio before it was played. Pure. */

/** @typedef {import("./transcript.js").ServerEvent} ServerEvent */
/**
 * @typedef {{itemId: string, text: string, language: string | null, last: boolean}} Piece  of a reply's text; `last`: no
 *   more comes
 */
/** @typedef {{text: string, language: string | null, audioMs: number, waits: boolean, done: boolean}} Rest */

export class UnvoicedText {
  /** @type {Map<string, Rest>} by item, until its last piece was given */
  #rests = new Map();

  /**
   * @param {ServerEvent} event
   * @returns {Piece[]} what can be spoken now
   */
  take(event) {
    switch (event.type) {
      case "streamsrv.voice.failed": {
        const { item_id: itemId, unspoken: text, language, audio_end_ms: audioMs } = event;
        this.#rests.set(itemId, { text, language, audioMs, waits: audioMs > 0, done: false });
        return this.#give(itemId);
      }
      case "response.output_audio_transcript.delta":
        this.#change(event.item_id, (rest) => (rest.text += event.delta));
        return this.#give(event.item_id);
      case "response.output_audio_transcript.done":
        this.#change(event.item_id, (rest) => (rest.done = true));
        return this.#give(event.item_id);
      default:
        return [];
    }
  }

  /**
   * How much of an item's audio was played. A rest whose audio was stopped is dropped.
   *
   * @param {import("./speaker.js").Played} played
   * @returns {Piece[]} what can be spoken now
   */
  played({ itemId, ms, ended, complete }) {
    const rest = this.#rests.get(itemId);
    if (!rest?.waits) return [];
    if (ended && !complete) this.#rests.delete(itemId);
    rest.waits = !complete && ms < rest.audioMs;
    return this.#give(itemId);
  }

  /** Drop everything. */
  clear() {
    this.#rests.clear();
  }

  /**
   * @param {string} itemId
   * @param {(rest: Rest) => void} change
   */
  #change(itemId, change) {
    const rest = this.#rests.get(itemId);
    if (rest) change(rest);
  }

  /**
   * @param {string} itemId
   * @returns {Piece[]}
   */
  #give(itemId) {
    const rest = this.#rests.get(itemId);
    if (!rest || rest.waits || !(rest.text || rest.done)) return [];
    const piece = { itemId, text: rest.text, language: rest.language, last: rest.done };
    rest.text = "";
    if (rest.done) this.#rests.delete(itemId);
    return [piece];
  }
}
