/** Reads what is in a block of Markdown: emphasis, code, links. Pure. */

import { pairMarks, WORD } from "./markdown-emphasis.js";
import { readDestination, readUrl, safeUrl } from "./markdown-links.js";

/** @typedef {import("./markdown.js").Node} Node */
/** @typedef {import("./markdown.js").Leaf} Leaf */
/** @typedef {import("./markdown.js").Branch} Branch */
/** @typedef {import("./markdown.js").Reading} Reading */
/** @typedef {import("./markdown-lines.js").Line} Line */

/**
 * A piece of a block's text, from `from` to `to`.
 *
 * @typedef {object} Token
 * @property {"text" | "marks" | "bracket" | "link" | "link-end" | "branch" | "nothing"} kind
 * @property {number} from
 * @property {number} to
 * @property {string} [href]  of a link
 * @property {Branch["type"]} [type]  of a branch
 * @property {string[]} [begins]  of marks: what begins after them, the innermost first
 * @property {string[]} [ends]  of marks: what ends before them, the innermost first
 * @property {number} [used]  of marks: how many of them were used up at the end of what is before them
 */

const MAX_NESTING = 12; // emphasis in emphasis; what is deeper is drawn without
const SPECIAL = /[\\`*_~[\]!<]|https?:\/\//gi;
const ESCAPABLE = /[!-/:-@[-`{-~]/;

/**
 * @param {string} source
 * @param {Line[]} lines
 * @param {Reading} reading
 * @returns {Node[]}
 */
export function readInline(source, lines, reading) {
  const text = new SourceText(source, lines);
  const tokens = new Scanner(text.text, reading).scan();
  if (!reading.codeOnly) pairMarks(text.text, tokens, reading.open ?? false);
  return asTree(text, tokens);
}

/** Lines of the source as one text, and where in the source its characters are. */
class SourceText {
  text = "";
  /** @type {{at: number, from: number}[]} parts of the text, and where they are in the source */
  #parts = [];

  /**
   * @param {string} source
   * @param {Line[]} lines
   */
  constructor(source, lines) {
    /** @type {string[]} */
    const pieces = [];
    let length = 0;
    let expected = -1;
    lines.forEach(({ from, to, end }, index) => {
      const piece = source.slice(from, index === lines.length - 1 ? to : end);
      if (from !== expected) this.#parts.push({ at: length, from });
      expected = from + piece.length;
      length += piece.length;
      pieces.push(piece);
    });
    this.text = pieces.join("");
  }

  /**
   * @param {number} from
   * @param {number} to
   * @returns {Leaf[]} this part of the text
   */
  leaves(from, to) {
    /** @type {Leaf[]} */
    const leaves = [];
    let part = this.#partAt(from);
    while (from < to) {
      const { at, from: source } = /** @type {{at: number, from: number}} */ (this.#parts[part]);
      const until = Math.min(to, this.#parts[part + 1]?.at ?? to);
      leaves.push({ type: "text", from: source + from - at, to: source + until - at });
      from = until;
      part += 1;
    }
    return leaves;
  }

  /** @param {number} position */
  #partAt(position) {
    let low = 0;
    let high = this.#parts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#parts[middle]?.at ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Finds code, links and marks of emphasis, from left to right. */
class Scanner {
  #text;
  #reading;
  #at = 0;
  /** Where the text begins that is in no token yet. */
  #from = 0;
  /** @type {Token[]} */
  #tokens = [];
  /** Where the last link in this text may end; brackets after it are text. */
  #lastLink;
  /** @type {Token[]} brackets that may begin a link */
  #brackets = [];
  /** @type {Map<number, number[]> | null} where runs of backticks begin, by their length, the last first */
  #ticks = null;

  /**
   * @param {string} text
   * @param {Reading} reading
   */
  constructor(text, reading) {
    this.#text = text;
    this.#reading = reading;
    this.#lastLink = text.lastIndexOf("](");
  }

  scan() {
    for (let at = this.#nextSpecial(); at < this.#text.length; at = this.#nextSpecial()) {
      this.#at = at;
      if (!this.#special()) this.#at = Math.max(this.#at, at + 1);
    }
    this.#put("text", this.#text.length, this.#text.length);
    return this.#tokens;
  }

  #nextSpecial() {
    SPECIAL.lastIndex = this.#at;
    return SPECIAL.exec(this.#text)?.index ?? this.#text.length;
  }

  /** @returns {boolean} whether the character at hand had a meaning; then it is passed */
  #special() {
    const text = this.#text;
    const at = this.#at;
    switch (text[at]) {
      case "`":
        return this.#code();
      case "h":
      case "H":
        return this.#bareUrl();
      case "<":
        return this.#angle();
      case "\\":
        return !this.#reading.codeOnly && this.#escape();
    }
    if (this.#reading.codeOnly) return false;
    if (at > this.#lastLink && !"*_~".includes(text[at] ?? "")) return false;
    if (text[at] === "]") return this.#closeBracket();
    if (text[at] === "[" || text.startsWith("![", at)) {
      this.#brackets.push(this.#put("bracket", at, at + (text[at] === "!" ? 2 : 1)));
      return true;
    }
    return text[at] !== "!" && this.#marks();
  }

  /**
   * Add a token, after the text before it.
   *
   * @param {Token["kind"]} kind
   * @param {number} from
   * @param {number} to
   * @param {Partial<Token>} [more]
   */
  #put(kind, from, to, more = {}) {
    if (from > this.#from) this.#tokens.push({ kind: "text", from: this.#from, to: from });
    /** @type {Token} */
    const token = { kind, from, to, ...more };
    if (kind !== "text") this.#tokens.push(token);
    this.#at = this.#from = to;
    return token;
  }

  #escape() {
    const at = this.#at;
    if (!ESCAPABLE.test(this.#text[at + 1] ?? "")) return false;
    this.#put("nothing", at, at + 1);
    this.#at += 1; // the character after it is text
    return true;
  }

  #code() {
    const from = this.#at;
    const begin = runEnd(this.#text, from, "`");
    const end = this.#closingTicks(begin - from, begin);
    if (end < 0 && !(this.#reading.open && begin - from < 3)) {
      this.#at = begin;
      return false;
    }
    const to = end < 0 ? this.#text.length : end;
    this.#put("nothing", from, begin);
    this.#put("branch", begin, to, { type: "inline-code" });
    this.#put("nothing", to, end < 0 ? to : to + begin - from);
    return true;
  }

  /**
   * @param {number} length
   * @param {number} from
   */
  #closingTicks(length, from) {
    if (this.#ticks === null) {
      this.#ticks = new Map();
      for (const { index, 0: run } of [...this.#text.matchAll(/`+/g)].reverse()) {
        const known = this.#ticks.get(run.length);
        if (known) known.push(index);
        else this.#ticks.set(run.length, [index]);
      }
    }
    const places = this.#ticks.get(length) ?? [];
    while (places.length > 0 && (places.at(-1) ?? 0) < from) places.pop();
    return places.at(-1) ?? -1;
  }

  #bareUrl() {
    const from = this.#at;
    const before = this.#text[from - 1];
    const to = before !== undefined && WORD.test(before) ? from : readUrl(this.#text, from);
    const href = to > from ? safeUrl(this.#text.slice(from, to)) : null;
    if (to > from) this.#at = to;
    if (href === null || (this.#reading.open && to === this.#text.length)) return false;
    this.#put("branch", from, to, { type: "link", href });
    return true;
  }

  /** A link or a line break in angle brackets. All other tags are text. */
  #angle() {
    const from = this.#at;
    const broken = /^<br\s{0,4}\/?>/i.exec(this.#text.slice(from, from + 10));
    if (broken) {
      this.#put("branch", from, from + broken[0].length, { type: "break" });
      return true;
    }
    const link = /^<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/i.exec(this.#text.slice(from, from + 2050));
    const href = link?.[1] ? safeUrl(link[1]) : null;
    if (!link?.[1] || href === null) return false;
    this.#put("nothing", from, from + 1);
    this.#put("branch", from + 1, from + 1 + link[1].length, { type: "link", href });
    this.#put("nothing", this.#at, this.#at + 1);
    return true;
  }

  #closeBracket() {
    const at = this.#at;
    const opening = this.#brackets.pop();
    if (!opening || this.#text[at + 1] !== "(") return false;
    const destination = readDestination(this.#text, at + 2, this.#reading.open ?? false);
    const href = destination && safeUrl(destination.href);
    if (!destination || (href === null && !destination.unfinished)) return false;
    if (destination.unfinished) opening.kind = "nothing"; // where it leads to is not known yet
    else Object.assign(opening, { kind: "link", href });
    this.#put(destination.unfinished ? "nothing" : "link-end", at, destination.to);
    this.#brackets = []; // there are no links in links
    return true;
  }

  #marks() {
    const from = this.#at;
    const to = runEnd(this.#text, from, this.#text[from] ?? "");
    this.#put("marks", from, to, { begins: [], ends: [], used: 0 });
    return true;
  }
}

/**
 * @param {string} text
 * @param {number} from
 * @param {string} character
 */
function runEnd(text, from, character) {
  while (text[from] === character) from += 1;
  return from;
}

/**
 * @param {SourceText} text
 * @param {Token[]} tokens
 * @returns {Node[]}
 */
function asTree(text, tokens) {
  /** @type {Node[]} */
  const root = [];
  /** @type {Node[][]} */
  const above = [root];
  let tooDeep = 0;
  const begin = (/** @type {Branch} */ branch) => {
    if (above.length > MAX_NESTING) return void (tooDeep += 1);
    above.at(-1)?.push(branch);
    above.push(branch.children);
  };
  const end = () => void (tooDeep > 0 ? (tooDeep -= 1) : above.pop());
  for (const token of tokens) {
    const { kind, from, to } = token;
    const here = above.at(-1) ?? root;
    if (kind === "text" || kind === "bracket") here.push(...text.leaves(from, to));
    else if (kind === "branch" && token.type) {
      const children = token.type === "break" ? [] : text.leaves(from, to);
      here.push({ type: token.type, children, ...(token.href ? { href: token.href } : {}) });
    } else if (kind === "link") begin({ type: "link", href: token.href, children: [] });
    else if (kind === "link-end") end();
    else if (kind === "marks") {
      token.ends?.forEach(end);
      if (to > from + (token.used ?? 0)) (above.at(-1) ?? root).push(...text.leaves(from + (token.used ?? 0), to));
      [...(token.begins ?? [])].reverse().forEach((type) => begin({ type: /** @type {Branch["type"]} */ (type), children: [] }));
    }
  }
  return merged(root);
}

/**
 * Join texts that follow one another in the source.
 *
 * @param {Node[]} nodes
 * @returns {Node[]}
 */
function merged(nodes) {
  /** @type {Node[]} */
  const joined = [];
  for (const node of nodes) {
    const last = joined.at(-1);
    if (node.type === "text" && last?.type === "text" && last.to === node.from) last.to = node.to;
    else joined.push(node);
    if (node.type !== "text") node.children = merged(node.children);
  }
  return joined;
}
