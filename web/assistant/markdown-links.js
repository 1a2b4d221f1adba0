/** Finds where links of Markdown lead to, and which of them may be followed. Pure. */

const MAX_URL = 2000; // characters
const MAX_PARENTHESES = 4; // in an address
const PROTOCOLS = ["http:", "https:", "mailto:"];
const URL_START = /https?:\/\/[^\s<>"`\\^{}|]/iy;
const URL_CHARACTER = /[^\s<>"`\\^{}|]/;
const NOT_AT_END = ".,:;!?'\"*_~…";

/**
 * Return the address if it may be followed: it is complete, and of the web or an e-mail address. Null: it may not.
 *
 * @param {string} url
 * @returns {string | null}
 */
export function safeUrl(url) {
  if (!/^(?:https?:\/\/|mailto:)./i.test(url)) return null;
  try {
    const { protocol, href } = new URL(url);
    return PROTOCOLS.includes(protocol) ? href : null;
  } catch {
    return null;
  }
}

/**
 * Find the end of an address that stands in the text without marks. Punctuation after it is not part of it.
 *
 * @param {string} text
 * @param {number} from
 * @returns {number} `from`: there is none
 */
export function readUrl(text, from) {
  URL_START.lastIndex = from;
  if (!URL_START.test(text)) return from;
  let to = from;
  let parentheses = 0;
  for (const most = Math.min(text.length, from + MAX_URL); to < most; to += 1) {
    const character = text[to] ?? "";
    if (!URL_CHARACTER.test(character) || character === "[" || character === "]") break;
    if (character === "(") parentheses += 1;
    if (character === ")" && --parentheses < 0) break;
  }
  while (to > from && NOT_AT_END.includes(text[to - 1] ?? "")) to -= 1;
  return to;
}

/**
 * Read where a link leads to, from after its opening parenthesis to after the closing one.
 *
 * @param {string} text
 * @param {number} from
 * @param {boolean} open  more text follows: a link that ends with the text is not finished
 * @returns {{href: string, to: number, unfinished?: boolean} | null}
 */
export function readDestination(text, from, open) {
  let at = from;
  let parentheses = 0;
  const most = Math.min(text.length, from + MAX_URL);
  while (at < most && !/[\s<>]/.test(text[at] ?? "")) {
    if (text[at] === "(" && ++parentheses > MAX_PARENTHESES) return null;
    if (text[at] === ")" && --parentheses < 0) return { href: text.slice(from, at), to: at + 1 };
    at += 1;
  }
  if (open && at === text.length) return { href: "", to: at, unfinished: true };
  const title = /^[ \t]{1,8}(?:"[^"\n]{0,300}"|'[^'\n]{0,300}'|\([^()\n]{0,300}\))[ \t]{0,8}\)/.exec(text.slice(at, at + 330));
  return title && parentheses === 0 ? { href: text.slice(from, at), to: at + title[0].length } : null;
}
