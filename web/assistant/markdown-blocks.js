/** Reads the blocks of Markdown: paragraphs, headings, code, lists, quotes, tables and rules. Pure. */

import { readInline } from "./markdown-inline.js";
import { indentation, isBlank, isSpace, lineAt, stripped, textStart, trimmedEnd } from "./markdown-lines.js";
import { isTable, readTable } from "./markdown-tables.js";

/** @typedef {import("./markdown.js").Node} Node */
/** @typedef {import("./markdown.js").Branch} Branch */
/** @typedef {import("./markdown.js").Reading} Reading */

/** @typedef {import("./markdown-lines.js").Line} Line */
/** @typedef {{block: Branch, next: number}} Read  a block, and the index of the line after it */
/** @typedef {{indent: number, width: number, start: number | undefined}} Marker  `width`: characters up to the item's text */

const MARKER_START = "-*+•0123456789";
const MAX_DEPTH = 6; // of lists and quotes in one another; what is deeper is text

/** @type {((source: string, lines: Line[], at: number, reading: Reading, depth: number) => Read | null)[]} */
const READERS = [readFence, readHeading, readRule, readQuote, readList, readTable];

/**
 * @param {string} source
 * @param {Line[]} lines
 * @param {Reading} reading
 * @param {number} [depth]
 * @returns {Node[]}
 */
export function readBlocks(source, lines, reading, depth = 0) {
  const blocks = [];
  for (let at = 0; at < lines.length; ) {
    if (isBlank(source, lineAt(lines, at))) {
      at += 1;
      continue;
    }
    const { block, next } = readBlock(source, lines, at, reading, depth) ?? readParagraph(source, lines, at, reading, depth);
    blocks.push(block);
    at = next;
  }
  return blocks;
}

/** @type {(source: string, lines: Line[], at: number, reading: Reading, depth: number) => Read | null} */
function readBlock(source, lines, at, reading, depth) {
  if (reading.codeOnly) return readFence(source, lines, at);
  for (const read of READERS) {
    const result = read(source, lines, at, reading, depth);
    if (result) return result;
  }
  return null;
}

/** @type {(source: string, lines: Line[], at: number, reading: Reading, depth: number) => Read} */
function readParagraph(source, lines, at, reading, depth) {
  let next = at + 1;
  while (next < lines.length && !isBlank(source, lineAt(lines, next)) && !startsBlock(source, lines, next, reading, depth)) next += 1;
  const within = lines.slice(at, next).map((line) => (reading.codeOnly ? line : stripped(source, line)));
  const open = reading.open && next === lines.length;
  return { block: { type: "paragraph", children: readInline(source, within, { ...reading, open }) }, next };
}

/** @type {(source: string, lines: Line[], at: number, reading: Reading, depth: number) => boolean} */
function startsBlock(source, lines, at, { codeOnly }, depth) {
  const line = lineAt(lines, at);
  if (fence(source, line)) return true;
  if (codeOnly) return false;
  if (headingLevel(source, line) || isRule(source, line) || isTable(source, lines, at)) return true;
  if (depth >= MAX_DEPTH) return false;
  const marker = listMarker(source, line);
  const begins = marker !== null && (marker.start === undefined || marker.start === 1) && line.from + marker.width < line.to;
  return begins || isQuoted(source, line);
}

/** @type {(source: string, lines: Line[], at: number) => Read | null} */
function readFence(source, lines, at) {
  const opening = fence(source, lineAt(lines, at));
  if (!opening) return null;
  let next = at + 1;
  while (next < lines.length && !closes(source, lineAt(lines, next), opening)) next += 1;
  const code = lines.slice(at + 1, next).map((line) => stripped(source, line, opening.indent));
  const block = /** @type {Branch} */ ({ type: "code", language: opening.language, children: asLeaves(code) });
  return { block, next: Math.min(lines.length, next + 1) };
}

/** @type {(source: string, lines: Line[], at: number, reading: Reading) => Read | null} */
function readHeading(source, lines, at, reading) {
  const line = lineAt(lines, at);
  const level = headingLevel(source, line);
  if (!level) return null;
  const from = textStart(source, textStart(source, line.from, line.to) + level, line.to);
  let to = trimmedEnd(source, from, line.to);
  let before = to;
  while (before > from && source[before - 1] === "#") before -= 1;
  if (before < to && (before === from || isSpace(source[before - 1]))) to = trimmedEnd(source, from, before);
  const inner = { ...reading, open: reading.open && at === lines.length - 1 };
  const children = readInline(source, [{ from, to, end: to }], inner);
  return { block: { type: "heading", level, children }, next: at + 1 };
}

/** @type {(source: string, lines: Line[], at: number) => Read | null} */
function readRule(source, lines, at) {
  return isRule(source, lineAt(lines, at)) ? { block: { type: "rule", children: [] }, next: at + 1 } : null;
}

/** @type {(source: string, lines: Line[], at: number, reading: Reading, depth: number) => Read | null} */
function readQuote(source, lines, at, reading, depth) {
  let next = at;
  while (next < lines.length && isQuoted(source, lineAt(lines, next))) next += 1;
  if (next === at || depth >= MAX_DEPTH) return null;
  const within = lines.slice(at, next).map(({ from, to, end }) => {
    return { from: textStart(source, textStart(source, from, to, 3) + 1, to, 1), to, end };
  });
  const inner = { ...reading, open: reading.open && next === lines.length };
  return { block: { type: "quote", children: readBlocks(source, within, inner, depth + 1) }, next };
}

/** @type {(source: string, lines: Line[], at: number, reading: Reading, depth: number) => Read | null} */
function readList(source, lines, at, reading, depth) {
  const first = listMarker(source, lineAt(lines, at));
  if (!first || depth >= MAX_DEPTH) return null;
  /** @type {Branch} */
  const block = { type: "list", children: [], ...(first.start === undefined ? {} : { start: first.start }) };
  let next = at;
  for (let marker = /** @type {Marker | null} */ (first); marker; marker = next < lines.length ? sibling(source, lineAt(lines, next), marker) : null) {
    const item = itemLines(source, lines, next, marker, reading, depth);
    const inner = { ...reading, open: reading.open && item.next === lines.length };
    block.children.push({ type: "item", children: readBlocks(source, item.lines, inner, depth + 1) });
    next = item.next;
  }
  return { block, next };
}

/**
 * The lines of a list's item, without the space before them, up to the next item or the end of the list.
 *
 * @type {(source: string, lines: Line[], at: number, marker: Marker, reading: Reading, depth: number) =>
 *   {lines: Line[], next: number}}
 */
function itemLines(source, lines, at, marker, reading, depth) {
  const first = lineAt(lines, at);
  const within = [{ ...first, from: Math.min(first.to, first.from + marker.width) }];
  let blanks = 0;
  let next = at + 1;
  for (; next < lines.length; next += 1) {
    const line = lineAt(lines, next);
    if (isBlank(source, line)) {
      blanks += 1;
    } else if (indentation(source, line) >= marker.indent + 2) {
      blanks = 0;
    } else if (blanks > 0 || sibling(source, line, marker) || startsBlock(source, lines, next, reading, depth)) {
      break;
    }
    within.push(stripped(source, line, marker.width));
  }
  if (blanks > 0) within.length -= blanks;
  // The blank lines before the next item belong to this one; those before what follows the list do not.
  const more = next < lines.length && sibling(source, lineAt(lines, next), marker) !== null;
  return { lines: within, next: more || next === lines.length ? next : next - blanks };
}

/** @type {(source: string, from: number, to: number, character: string) => number} */
function runEnd(source, from, to, character) {
  while (from < to && source[from] === character) from += 1;
  return from;
}

/** @type {(source: string, line: Line) => {character: string, length: number, indent: number, language: string} | null} */
function fence(source, line) {
  const from = textStart(source, line.from, line.to, 3);
  const character = source[from] ?? "";
  if (character !== "`" && character !== "~") return null;
  const end = runEnd(source, from, line.to, character);
  if (end - from < 3) return null;
  const info = source.slice(end, line.to);
  if (character === "`" && info.includes("`")) return null;
  return { character, length: end - from, indent: from - line.from, language: info.trim().split(/\s/, 1)[0] ?? "" };
}

/** @type {(source: string, line: Line, opening: {character: string, length: number}) => boolean} */
function closes(source, line, { character, length }) {
  const from = textStart(source, line.from, line.to, 3);
  const end = runEnd(source, from, line.to, character);
  return end - from >= length && trimmedEnd(source, end, line.to) === end;
}

/** @type {(source: string, line: Line) => number} 0: it is no heading */
function headingLevel(source, line) {
  const from = textStart(source, line.from, line.to, 3);
  const end = runEnd(source, from, Math.min(line.to, from + 7), "#");
  return end - from <= 6 && end > from && (end === line.to || isSpace(source[end])) ? end - from : 0;
}

/** @type {(source: string, line: Line) => boolean} */
function isRule(source, line) {
  const from = textStart(source, line.from, line.to, 3);
  const character = source[from] ?? "";
  if (!"-*_".includes(character) || from === line.to) return false;
  let count = 0;
  for (let at = from; at < line.to; at += 1) {
    if (source[at] === character) count += 1;
    else if (!isSpace(source[at])) return false;
  }
  return count >= 3;
}

/** @type {(source: string, line: Line) => boolean} */
function isQuoted(source, line) {
  const from = textStart(source, line.from, line.to, 3);
  return from < line.to && source[from] === ">";
}

/** @type {(source: string, line: Line) => Marker | null} */
function listMarker(source, line) {
  const from = textStart(source, line.from, line.to);
  if (!MARKER_START.includes(source[from] ?? " ")) return null;
  const found = /^(?:[-*+•]|(\d{1,9})[.)])(?=\s|$)/.exec(source.slice(from, Math.min(line.to, from + 12)));
  if (!found || isRule(source, line)) return null;
  const after = from + found[0].length;
  const text = textStart(source, after, line.to);
  const space = text === line.to || text - after > 4 ? 1 : text - after;
  return {
    indent: from - line.from,
    width: after + space - line.from,
    start: found[1] === undefined ? undefined : Number(found[1]),
  };
}

/**
 * The marker of the next item of the same list, if the line begins one.
 *
 * @type {(source: string, line: Line, marker: Marker) => Marker | null}
 */
function sibling(source, line, marker) {
  const next = listMarker(source, line);
  const same = next !== null && (next.start === undefined) === (marker.start === undefined);
  return same && next.indent < marker.indent + 2 ? next : null;
}

/** @type {(lines: Line[]) => Node[]} */
function asLeaves(lines) {
  /** @type {import("./markdown.js").Leaf[]} */
  const leaves = [];
  lines.forEach(({ from, to, end }, index) => {
    const until = index === lines.length - 1 ? to : end;
    const last = leaves.at(-1);
    if (last && last.to === from) last.to = until;
    else if (until > from) leaves.push({ type: "text", from, to: until });
  });
  return leaves;
}
