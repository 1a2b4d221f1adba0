/** Draws a piece of text, and which of its words were spoken. Its words keep their places while it grows. */

import { make } from "../lib/elements.js";

/**
 * @typedef {object} Spoken  what of a text was spoken
 * @property {number} lit  characters of the whole text that were; Infinity: all, or it is not spoken
 * @property {boolean} cut  the others will not be
 */

/** A word with the space after it; scripts without spaces count by the character. */
const WORDS =
  /\s*(?:[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}][^\s\p{L}\p{N}]*|[^\s\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}]+)\s*/gu;

export class TextView {
  kind = "text";
  element = make("span", "");
  /** @type {{part: HTMLElement, text: Text}[]} */
  #parts = [];

  /**
   * @param {string} text
   * @param {number} from  where it begins in the whole text
   * @param {Spoken} spoken
   */
  show(text, from, spoken) {
    const words = this.#pieces(text, from, spoken);
    let at = from;
    words.forEach((word, index) => {
      const said = at + word.trimEnd().length <= spoken.lit || !word.trim();
      this.#put(index, word, said ? "said" : spoken.cut ? "unheard" : "unsaid");
      at += word.length;
    });
    for (const { part } of this.#parts.splice(words.length)) part.remove();
  }

  /**
   * The parts that are drawn apart: words while they are spoken, later only what was heard and what was not.
   *
   * @param {string} text
   * @param {number} from
   * @param {Spoken} spoken
   * @returns {string[]}
   */
  #pieces(text, from, { lit, cut }) {
    const all = lit >= from + text.trimEnd().length;
    const keeps = this.#parts.length > 1 && isSelected(this.element);
    if ((all || cut) && !keeps) {
      if (all || lit <= from) return [text];
      const heard = text.slice(0, lit - from);
      const between = /^\s*/.exec(text.slice(heard.length))?.[0] ?? ""; // a line through it would touch the word before
      return [heard + between, text.slice(heard.length + between.length)].filter(Boolean);
    }
    return text.match(WORDS) ?? [text];
  }

  /**
   * @param {number} index
   * @param {string} word
   * @param {"said" | "unsaid" | "unheard"} state
   */
  #put(index, word, state) {
    const tag = state === "unheard" ? "s" : "span";
    let drawn = this.#parts[index];
    if (!drawn || (drawn.part.localName !== tag && !isSelected(drawn.part))) {
      const text = document.createTextNode(word);
      const part = make(tag, state, text);
      if (drawn) drawn.part.replaceWith(part);
      else this.element.append(part);
      this.#parts[index] = drawn = { part, text };
    }
    if (drawn.part.className !== state) drawn.part.className = state;
    setText(drawn.text, word);
  }
}

/**
 * Change a text node as little as possible: what is selected in it stays selected while it grows.
 *
 * @param {Text} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.data === text) return;
  if (text.startsWith(node.data)) node.appendData(text.slice(node.data.length));
  else node.data = text;
}

/** @param {HTMLElement} element */
function isSelected(element) {
  const selection = document.getSelection();
  return selection !== null && !selection.isCollapsed && selection.containsNode(element, true);
}
