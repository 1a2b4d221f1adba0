/** Reads the two lists of words that a speaker types. Pure. The limits are the server's. */

/** @typedef {{from: string, to: string}} Replacement */

const MAX_KEYWORDS = 100;
const MAX_KEYWORD = 50; // characters
const MAX_REPLACEMENTS = 200;
const MAX_FROM = 80;
const MAX_TO = 200;

/**
 * @param {string} typed  words and names, one a line or with commas between them
 * @returns {{keywords: string[], problems: string[]}} what can be used, and why the rest cannot
 */
export function readVocabulary(typed) {
  const problems = [];
  const words = [...new Set(typed.split(/[\n,]/).map((word) => word.trim()).filter(Boolean))];
  const fitting = words.filter((word) => word.length <= MAX_KEYWORD);
  for (const word of words) {
    if (word.length > MAX_KEYWORD) problems.push(`"${shortened(word)}" is longer than ${MAX_KEYWORD} characters.`);
  }
  if (fitting.length > MAX_KEYWORDS) problems.push(`Only the first ${MAX_KEYWORDS} of ${fitting.length} words are used.`);
  return { keywords: fitting.slice(0, MAX_KEYWORDS), problems };
}

/**
 * @param {string} typed  a line for each: what is heard, `=`, what is written
 * @returns {{replacements: Replacement[], problems: string[]}} what can be used, and why the rest cannot
 */
export function readReplacements(typed) {
  const problems = [];
  /** @type {Map<string, Replacement>} */
  const found = new Map();
  for (const line of typed.split("\n").map((each) => each.trim()).filter(Boolean)) {
    const [from = "", ...rest] = line.split(/=|→|->/);
    const replacement = { from: from.trim(), to: rest.join("=").trim() };
    const problem = rest.length === 0 ? `"${shortened(line)}" has no "=".` : problemOf(replacement);
    if (problem) problems.push(problem);
    else if (found.has(replacement.from.toLowerCase())) problems.push(`"${replacement.from}" is replaced twice: the first line is used.`);
    else found.set(replacement.from.toLowerCase(), replacement);
  }
  const replacements = [...found.values()];
  if (replacements.length > MAX_REPLACEMENTS) problems.push(`Only the first ${MAX_REPLACEMENTS} lines are used.`);
  return { replacements: replacements.slice(0, MAX_REPLACEMENTS), problems };
}

/** @param {Replacement} replacement */
function problemOf({ from, to }) {
  if (from === "") return `"= ${shortened(to)}" does not say what is replaced.`;
  if (from.length > MAX_FROM) return `"${shortened(from)}" is longer than ${MAX_FROM} characters.`;
  if (to.length > MAX_TO) return `"${shortened(to)}" is longer than ${MAX_TO} characters.`;
  return "";
}

/** @param {string} text */
function shortened(text) {
  return text.length > 24 ? `${text.slice(0, 24)}…` : text;
}
