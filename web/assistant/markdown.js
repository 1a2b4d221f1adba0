/**
 * Reads Markdown as language models write it: a tree of blocks and of what is in them. Pure, and linear in the length of
 * the text, whatever it is. There is no HTML in it, and links lead to http, https and mailto only.
 */

import { readBlocks } from "./markdown-blocks.js";
import { readLines } from "./markdown-lines.js";

/**
 * @typedef {{type: "text", from: number, to: number}} Leaf  a part of the source that is drawn as it is
 */

/**
 * @typedef {object} Branch
 * @property {"paragraph" | "heading" | "code" | "quote" | "list" | "item" | "table" | "row" | "cell" | "rule" | "strong" |
 *   "emphasis" | "deleted" | "inline-code" | "link" | "break"} type
 * @property {Node[]} children
 * @property {number} [level]  of a heading: 1 to 6, without gaps
 * @property {string} [language]  of code; empty: not named
 * @property {number} [start]  of an ordered list; undefined: it is not ordered
 * @property {"left" | "center" | "right"} [align]  of a cell
 * @property {boolean} [head]  of a cell
 * @property {string} [href]  of a link
 */

/** @typedef {Leaf | Branch} Node */

/**
 * @typedef {object} Reading
 * @property {boolean} [open]  more text follows: what is not finished is drawn as if it were
 * @property {boolean} [codeOnly]  only code and links are marked up, and all else is as it was typed
 */

/** @type {Branch["type"][]} that have blocks in them */
const BLOCKS = ["quote", "list", "item", "table", "row"];

/**
 * @param {string} source
 * @param {Reading} [reading]
 * @returns {Node[]}
 */
export function parseMarkdown(source, reading = {}) {
  const blocks = readBlocks(source, readLines(source), reading);
  numberHeadings(blocks, []);
  return blocks;
}

/**
 * Return the text without its marks, as it is read aloud.
 *
 * @param {string} source
 * @returns {string}
 */
export function plainText(source) {
  /** @type {(node: Node) => string} */
  const text = (node) => {
    if (node.type === "text") return source.slice(node.from, node.to);
    return node.children.map(text).join(BLOCKS.includes(node.type) ? "\n" : "");
  };
  return parseMarkdown(source).map(text).join("\n");
}

/**
 * Make the levels of headings follow one another without gaps, as readers of a document's outline expect.
 *
 * @param {Node[]} nodes
 * @param {number[]} above  levels of the headings that the next one may be below
 */
function numberHeadings(nodes, above) {
  for (const node of nodes) {
    if (node.type === "text") continue;
    if (node.type !== "heading") {
      if (node.type === "quote" || node.type === "list" || node.type === "item") numberHeadings(node.children, above);
      continue;
    }
    const level = node.level ?? 1;
    while ((above.at(-1) ?? 0) >= level) above.pop();
    above.push(level);
    node.level = above.length;
  }
}
