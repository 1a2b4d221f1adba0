/** Which characters of a reply were spoken by when. Pure. */

/**
 * @typedef {object} TimedWord  ms of the item's audio
 * @property {string} word
 * @property {number} start_ms
 * @property {number} end_ms
 */

/**
 * @typedef {object} PlacedWord  where a timed word stands in the text: it ends before character `end`
 * @property {number} end
 * @property {number} startMs
 * @property {number} endMs
 */

const LOOK_AHEAD = 60; // characters; a word may be missing, as it may be written otherwise ("3" for "three")

/**
 * Finds timed words in the written text, in order. A word that is not found is placed at the end of the one before it, so
 * that its time is kept and later words do not move.
 */
export class WordPlacer {
  #cursor = 0;
  /** @type {PlacedWord[]} */
  placed = [];

  /**
   * @param {string} text  all of the item so far
   * @param {TimedWord[]} words  that follow those placed before
   */
  place(text, words) {
    const lower = text.toLowerCase();
    for (const { word, start_ms, end_ms } of words) {
      const wanted = word.trim().toLowerCase();
      const at = wanted ? lower.indexOf(wanted, this.#cursor) : -1;
      if (at >= 0 && at - this.#cursor <= LOOK_AHEAD) this.#cursor = withPunctuation(text, at + wanted.length);
      this.placed.push({ end: this.#cursor, startMs: start_ms, endMs: end_ms });
    }
  }

  /**
   * Return how many characters were at least started at `ms`.
   *
   * @param {number} ms
   */
  begun(ms) {
    return this.placed.reduce((end, word) => (word.startMs <= ms ? Math.max(end, word.end) : end), 0);
  }

  /**
   * Return how many characters were fully spoken at `ms`, to half a word.
   *
   * @param {number} ms
   */
  heard(ms) {
    const middle = (/** @type {PlacedWord} */ word) => (word.startMs + word.endMs) / 2;
    return this.placed.reduce((end, word) => (middle(word) <= ms ? Math.max(end, word.end) : end), 0);
  }
}

/**
 * @param {string} text
 * @param {number} end
 */
function withPunctuation(text, end) {
  while (end < text.length && !/[\s\p{L}\p{N}]/u.test(text[end] ?? "")) end += 1;
  return end;
}
