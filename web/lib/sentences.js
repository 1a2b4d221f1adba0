/** Cuts streamed text into sentences that a browser's voice speaks one by one. Pure. */

const MAX_CHARACTERS = 200; // browsers stop long utterances in the middle, and show no progress within one
const ABBREVIATION = /(?:^|\s)(?:Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|No|[A-Z])\.$/;
const END = /[.!?…。！？]+["'”’)\]»]*(?=\s|$)|[。！？]|\n+/g;

export class SentenceSplitter {
  #text = "";

  /**
   * @param {string} delta
   * @returns {string[]} sentences that are complete now
   */
  feed(delta) {
    this.#text += delta;
    /** @type {string[]} */
    const sentences = [];
    for (let cut = this.#cut(); cut > 0; cut = this.#cut()) {
      const sentence = this.#text.slice(0, cut).trim();
      this.#text = this.#text.slice(cut);
      if (sentence) sentences.push(sentence);
    }
    return sentences;
  }

  /** @returns {string[]} what is left: at most one sentence */
  finish() {
    const rest = this.#text.trim();
    this.#text = "";
    return rest ? [rest] : [];
  }

  /** Where the first sentence ends; 0 if it is not complete. */
  #cut() {
    for (const match of this.#text.matchAll(END)) {
      const end = match.index + match[0].length;
      const certain = end < this.#text.length || /[\n。！？]/.test(match[0]); // "3." may continue as "3.5"
      if (certain && !ABBREVIATION.test(this.#text.slice(0, end))) return end;
    }
    if (this.#text.length <= MAX_CHARACTERS) return 0;
    const clause = Math.max(this.#text.lastIndexOf(", ", MAX_CHARACTERS), this.#text.lastIndexOf("; ", MAX_CHARACTERS)) + 1;
    return clause || this.#text.lastIndexOf(" ", MAX_CHARACTERS) + 1 || MAX_CHARACTERS;
  }
}

/**
 * Return what a voice is given for a sentence: its words without the marks of Markdown, which it would read out. A sentence
 * of nothing but marks stays as it is.
 *
 * @param {string} sentence
 * @returns {string}
 */
export function withoutMarks(sentence) {
  const words = sentence
    .replace(/!?\[([^\]\n]*)\]\([^)\s]*\)/g, "$1") // links
    .replace(/^\s*(?:#{1,6}|>|[-*+])\s+/, "")
    .replace(/(?<![\p{L}\p{N}])[*_~]{1,3}(?=\S)|(?<=\S)[*_~]{1,3}(?![\p{L}\p{N}])|`+/gu, "")
    .trim();
  return words || sentence;
}
