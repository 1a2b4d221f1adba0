/**
 * Arranges the texts of a caption room in paragraphs. Pure.
 *
 * A text stays in its paragraph and only grows at its end until the final text replaces it, so that words do not move
 * while they are read.
 *
 * @typedef {object} PartialEvent  times in seconds of the room
 * @property {string} item_id
 * @property {string} speaker
 * @property {number} start
 * @property {string} stable
 * @property {string} tentative
 * @property {string} [translated_to]  the language of a text that is a translation
 *
 * @typedef {object} FinalEvent
 * @property {string} item_id
 * @property {string} speaker
 * @property {number} start
 * @property {number} end
 * @property {string} text
 * @property {string} [translated_to]
 *
 * @typedef {object} Utterance
 * @property {string} id
 * @property {string} speaker
 * @property {number} start
 * @property {number} end
 * @property {string} stable
 * @property {string} tentative
 * @property {boolean} final
 * @property {string} translatedTo  empty: the text is as it was spoken
 *
 * @typedef {{speaker: string, translatedTo: string, restarted: boolean, utterances: Utterance[]}} Paragraph
 */

const PAUSE_S = 3; // silence after which a paragraph begins
const FULL = 400; // characters after which one begins with the next sentence
const SENTENCE_END = /[.!?…。！？]["'”’)]*$/;
const UNSPACED = /[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]/;

export class CaptionText {
  /** @type {Paragraph[]} */
  paragraphs = [];
  /** @type {Map<string, Utterance>} */
  #utterances = new Map();
  #restarted = false;

  /**
   * @param {PartialEvent} event
   * @returns {Utterance} what changed; it belongs to the last paragraph if it is new
   */
  showPartial({ item_id, speaker, start, stable, tentative, translated_to }) {
    const utterance = this.#find(item_id, speaker, start, translated_to ?? "");
    return Object.assign(utterance, { stable, tentative });
  }

  /**
   * @param {FinalEvent} event  an empty text removes the utterance
   * @returns {Utterance}
   */
  showFinal({ item_id, speaker, start, end, text, translated_to }) {
    const utterance = this.#find(item_id, speaker, start, translated_to ?? "");
    return Object.assign(utterance, { start, end, stable: text, tentative: "", final: true });
  }

  /**
   * @param {string} id  of an item
   * @returns {string | null} its text, if that is final
   */
  finalText(id) {
    const utterance = this.#utterances.get(id);
    return utterance?.final ? utterance.stable : null;
  }

  /** Whether there is a final text with words. */
  get hasFinal() {
    return this.paragraphs.some(({ utterances }) => utterances.some(({ final, stable }) => final && stable !== ""));
  }

  /** Forget every text: the room was cleared. */
  clear() {
    this.paragraphs = [];
    this.#utterances.clear();
    this.#restarted = false;
  }

  /**
   * The room started again after a restart of the server: shown texts stay and become final.
   *
   * @returns {Utterance[]} what changed by that
   */
  restart() {
    const open = [...this.#utterances.values()].filter((utterance) => !utterance.final);
    for (const utterance of open) {
      Object.assign(utterance, { stable: textOf(utterance), tentative: "", final: true });
    }
    this.#utterances.clear();
    this.#restarted = this.paragraphs.length > 0;
    return open;
  }

  /**
   * @param {string} id
   * @param {string} speaker
   * @param {number} start
   * @param {string} translatedTo
   * @returns {Utterance}
   */
  #find(id, speaker, start, translatedTo) {
    const known = this.#utterances.get(id);
    if (known) return known;
    const utterance = { id, speaker, start, end: start, stable: "", tentative: "", final: false, translatedTo };
    this.#utterances.set(id, utterance);
    const last = this.paragraphs.at(-1);
    if (last && !this.#restarted && continues(last, utterance)) last.utterances.push(utterance);
    else this.paragraphs.push({ speaker, translatedTo, restarted: this.#restarted, utterances: [utterance] });
    this.#restarted = false;
    return utterance;
  }
}

/**
 * @param {Utterance} utterance
 * @returns {string} all of it
 */
export function textOf({ stable, tentative }) {
  return stable + gapBetween(stable, tentative) + tentative;
}

/**
 * @param {string} before
 * @param {string} after
 * @returns {string} a space, unless the script has none or one of the two is empty
 */
export function gapBetween(before, after) {
  if (!before || !after) return "";
  return UNSPACED.test(before.at(-1) ?? "") || UNSPACED.test(after[0] ?? "") ? "" : " ";
}

/**
 * @param {Paragraph} paragraph
 * @param {Utterance} next
 */
function continues(paragraph, next) {
  const last = paragraph.utterances.at(-1);
  if (!last || paragraph.speaker !== next.speaker || paragraph.translatedTo !== next.translatedTo) return false;
  if (next.start - last.end > PAUSE_S) return false;
  const length = paragraph.utterances.reduce((sum, utterance) => sum + utterance.stable.length, 0);
  return length < FULL || !SENTENCE_END.test(last.stable);
}
