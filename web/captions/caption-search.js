/** Finds words in the captions. Pure. */

/** @typedef {{place: number, start: number, end: number}} Match  `place`: of the text; `start` and `end`: of characters in it */

export const MAX_MATCHES = 1000;

/**
 * Find every place of some words, without regard to capitals and accents.
 *
 * @param {readonly string[]} texts
 * @param {string} words
 * @returns {Match[]} in the order of the texts; at most `MAX_MATCHES`, the last ones
 */
export function findWords(texts, words) {
  const wanted = folded(words.trim()).text;
  if (!wanted) return [];
  /** @type {Match[]} */
  const found = [];
  texts.forEach((text, place) => {
    const { text: searched, places } = folded(text);
    for (let at = searched.indexOf(wanted); at >= 0; at = searched.indexOf(wanted, at + wanted.length)) {
      const start = places[at] ?? 0;
      const end = places[at + wanted.length] ?? text.length;
      found.push({ place, start, end });
    }
  });
  return found.slice(-MAX_MATCHES);
}

/**
 * Fold capitals and accents.
 *
 * @param {string} text
 * @returns {{text: string, places: number[]}} `places`: where in the original each character comes from
 */
function folded(text) {
  let folds = "";
  /** @type {number[]} */
  const places = [];
  let at = 0;
  for (const character of text) {
    const plain = character.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
    folds += plain;
    for (let unit = 0; unit < plain.length; unit += 1) places.push(at);
    at += character.length;
  }
  return { text: folds, places };
}
