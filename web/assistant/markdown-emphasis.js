/** Finds which marks of emphasis in Markdown belong together. Pure. */

/** @typedef {import("./markdown-inline.js").Token} Token */

export const WORD = /[\p{L}\p{N}]/u;

/**
 * Find the marks that belong together, in each link apart.
 *
 * @param {string} text
 * @param {Token[]} tokens
 * @param {boolean} open
 */
export function pairMarks(text, tokens, open) {
  let pairs = new Pairs();
  const outer = [];
  for (const token of tokens) {
    if (token.kind === "link") {
      outer.push(pairs);
      pairs = new Pairs();
    } else if (token.kind === "link-end") {
      pairs = outer.pop() ?? pairs;
    } else if (token.kind === "marks") {
      pairs.take(text, token);
    }
  }
  if (open) pairs.finish(text, tokens);
}

/** The marks that were opened and not closed. */
class Pairs {
  /** @type {Token[]} */
  #opened = [];
  /** @type {Record<string, number>} how many are of each character */
  #count = {};

  /**
   * @param {string} text
   * @param {Token} token
   */
  take(text, token) {
    const character = text[token.from] ?? "";
    const { opens, closes } = sides(text, token);
    if (closes) this.#close(text, token, character);
    if (!opens || token.to - token.from <= (token.used ?? 0)) return;
    this.#opened.push(token);
    this.#count[character] = (this.#count[character] ?? 0) + 1;
  }

  /**
   * @param {string} text
   * @param {Token} token
   * @param {string} character
   */
  #close(text, token, character) {
    while ((this.#count[character] ?? 0) > 0 && left(token) > 0) {
      const opening = /** @type {Token} */ (this.#opened.at(-1));
      const own = text[opening.from] === character;
      if (own) {
        const size = Math.min(2, left(opening), left(token));
        if (character === "~" && size < 2) return;
        const type = character === "~" ? "deleted" : size === 2 ? "strong" : "emphasis";
        opening.begins?.push(type);
        token.ends?.push(type);
        opening.to -= size;
        token.used = (token.used ?? 0) + size;
      }
      if (!own || left(opening) === 0) this.#drop(text);
    }
  }

  /** @param {string} text */
  #drop(text) {
    const dropped = this.#opened.pop();
    const character = text[dropped?.from ?? 0] ?? "";
    this.#count[character] = (this.#count[character] ?? 1) - 1;
  }

  /**
   * More text follows: what is open ends for now at the end of the text.
   *
   * @param {string} text
   * @param {Token[]} tokens
   */
  finish(text, tokens) {
    const end = text.length;
    /** @type {Token} */
    const last = { kind: "marks", from: end, to: end, begins: [], ends: [], used: 0 };
    for (const opening of [...this.#opened].reverse()) {
      const size = Math.min(2, left(opening));
      const character = text[opening.from];
      if (character === "~" && size < 2) continue;
      const type = character === "~" ? "deleted" : size === 2 ? "strong" : "emphasis";
      opening.begins?.push(type);
      last.ends?.push(type);
      opening.to -= size;
    }
    const trailing = tokens.at(-1);
    if (trailing?.kind === "marks" && trailing.to === end && trailing.begins?.length === 0 && left(trailing) > 0) {
      trailing.to = trailing.from + (trailing.used ?? 0); // it may begin something
    }
    tokens.push(last);
  }
}

/** @param {Token} token */
function left({ from, to, used = 0 }) {
  return to - from - used;
}

/**
 * Whether marks can begin and end emphasis. Single ones in the middle of a word do neither.
 *
 * @param {string} text
 * @param {Token} token
 */
function sides(text, { from, to }) {
  const before = text[from - 1] ?? " ";
  const after = text[to] ?? " ";
  const strict = to - from === 1 || text[from] === "_";
  return {
    opens: /\S/.test(after) && !(strict && WORD.test(before)),
    closes: /\S/.test(before) && !(strict && WORD.test(after)),
  };
}
