/** Reads the tables of Markdown. Pure. */

import { readInline } from "./markdown-inline.js";
import { lineAt, textStart, trimmedEnd } from "./markdown-lines.js";

/** @typedef {import("./markdown.js").Branch} Branch */
/** @typedef {import("./markdown.js").Reading} Reading */
/** @typedef {import("./markdown-lines.js").Line} Line */

/** @type {(source: string, lines: Line[], at: number, reading: Reading) => {block: Branch, next: number} | null} */
export function readTable(source, lines, at, reading) {
  if (!isTable(source, lines, at)) return null;
  const aligned = cells(source, lineAt(lines, at + 1)).map(({ from, to }) => alignment(source, from, to));
  const rows = [tableRow(source, lineAt(lines, at), aligned, true, reading)];
  let next = at + 2;
  while (next < lines.length && hasBar(source, lineAt(lines, next))) {
    rows.push(tableRow(source, lineAt(lines, next), aligned, false, reading));
    next += 1;
  }
  return { block: { type: "table", children: rows }, next };
}

/** @type {(source: string, line: Line, aligned: (Branch["align"])[], head: boolean, reading: Reading) => Branch} */
function tableRow(source, line, aligned, head, reading) {
  const children = cells(source, line).map(({ from, to }, index) => {
    const align = aligned[index];
    const text = readInline(source, [{ from, to, end: to }], { ...reading, open: false });
    return /** @type {Branch} */ ({ type: "cell", head, ...(align ? { align } : {}), children: text });
  });
  return { type: "row", children };
}

/** @type {(source: string, line: Line) => boolean} */
function hasBar(source, line) {
  return source.slice(line.from, line.to).includes("|");
}

/** @type {(source: string, lines: Line[], at: number) => boolean} */
export function isTable(source, lines, at) {
  const head = lineAt(lines, at);
  const below = lines[at + 1];
  if (!below || !"|-:".includes(source[textStart(source, below.from, below.to)] ?? " ")) return false;
  if (!hasBar(source, head) || !isDelimiterRow(source, below)) return false;
  return cells(source, head).length === cells(source, below).length;
}

/** @type {(source: string, line: Line) => boolean} */
function isDelimiterRow(source, line) {
  for (let at = line.from; at < line.to; at += 1) if (!"|-: \t".includes(source[at] ?? "")) return false;
  return hasBar(source, line) && cells(source, line).every(({ from, to }) => /^:?-+:?$/.test(source.slice(from, to)));
}

/** @type {(source: string, from: number, to: number) => Branch["align"]} */
function alignment(source, from, to) {
  const left = source[from] === ":";
  const right = source[to - 1] === ":";
  if (left && right) return "center";
  return right ? "right" : left ? "left" : undefined;
}

/** @type {(source: string, line: Line) => {from: number, to: number}[]} */
function cells(source, line) {
  const end = trimmedEnd(source, line.from, line.to);
  let from = textStart(source, line.from, end);
  if (source[from] === "|") from += 1;
  const found = [];
  for (let at = from; at <= end; at += 1) {
    const ends = at === end || (source[at] === "|" && source[at - 1] !== "\\");
    if (!ends || (at === end && at <= from && found.length > 0)) continue;
    const start = textStart(source, from, at);
    found.push({ from: start, to: trimmedEnd(source, start, at) });
    from = at + 1;
  }
  return found;
}
