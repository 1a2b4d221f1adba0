/** The lines of a text, as ranges in it. Pure. */

/** @typedef {{from: number, to: number, end: number}} Line  `to`: without its line break; `end`: where the next one begins */

/**
 * @param {string} source
 * @returns {Line[]}
 */
export function readLines(source) {
  const lines = [];
  for (let from = 0; from < source.length; ) {
    const newline = source.indexOf("\n", from);
    const end = newline < 0 ? source.length : newline + 1;
    let to = newline < 0 ? end : newline;
    if (to > from && source[to - 1] === "\r") to -= 1;
    lines.push({ from, to, end });
    from = end;
  }
  return lines;
}

/**
 * @param {Line[]} lines
 * @param {number} at  one of them
 */
export function lineAt(lines, at) {
  return /** @type {Line} */ (lines[at]);
}

/** @param {string | undefined} character */
export function isSpace(character) {
  return character === " " || character === "\t";
}

/** @type {(source: string, line: Line) => boolean} */
export function isBlank(source, { from, to }) {
  return textStart(source, from, to) === to;
}

/**
 * Where the space at the beginning ends, of which at most so many characters count.
 *
 * @type {(source: string, from: number, to: number, most?: number) => number}
 */
export function textStart(source, from, to, most = Infinity) {
  const until = Math.min(to, from + most);
  while (from < until && isSpace(source[from])) from += 1;
  return from;
}

/**
 * The line without the space at its beginning, at most so many characters of it.
 *
 * @type {(source: string, line: Line, most?: number) => Line}
 */
export function stripped(source, { from, to, end }, most) {
  return { from: textStart(source, from, to, most), to, end };
}

/** @type {(source: string, from: number, to: number) => number} */
export function trimmedEnd(source, from, to) {
  while (to > from && isSpace(source[to - 1])) to -= 1;
  return to;
}

/** @type {(source: string, line: Line) => number} */
export function indentation(source, line) {
  return textStart(source, line.from, line.to) - line.from;
}
