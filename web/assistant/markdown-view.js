/**
 * Draws Markdown, and what of it was spoken. What stays the same keeps its elements and its text nodes, so that a selection
 * and the focus survive while a reply is written and spoken.
 */

import { make } from "../lib/elements.js";
import { parseMarkdown } from "./markdown.js";
import { TextView } from "./text-view.js";

/** @typedef {import("./markdown.js").Node} Node */
/** @typedef {import("./markdown.js").Branch} Branch */
/** @typedef {import("./markdown.js").Reading} Reading */
/** @typedef {import("./text-view.js").Spoken} Spoken */

/** @typedef {{kind: string, element: HTMLElement, within: HTMLElement, children: (Drawn | TextView)[]}} Drawn */

/** @type {Partial<Record<Branch["type"], keyof HTMLElementTagNameMap>>} */
const TAGS = {
  paragraph: "p",
  quote: "blockquote",
  item: "li",
  row: "tr",
  rule: "hr",
  strong: "strong",
  emphasis: "em",
  deleted: "del",
  "inline-code": "code",
  link: "a",
  break: "br",
};
const WITH_DIRECTION = ["list", "quote"]; // others follow the message, and each line its own script

export class MarkdownView {
  #root;
  /** @type {Node[]} */
  #tree = [];
  #read = "";

  /** @param {HTMLElement} element  the blocks are added to it */
  constructor(element) {
    /** @type {Drawn} */
    this.#root = { kind: "root", element, within: element, children: [] };
  }

  /**
   * @param {string} source
   * @param {Reading} reading
   * @param {Spoken} spoken
   */
  show(source, reading, spoken) {
    const read = JSON.stringify([source, reading]);
    if (read !== this.#read) this.#tree = parseMarkdown(source, reading);
    this.#read = read;
    update(this.#root, this.#tree, source, spoken);
  }
}

/**
 * @param {Drawn} drawn
 * @param {Node[]} nodes
 * @param {string} source
 * @param {Spoken} spoken
 */
function update(drawn, nodes, source, spoken) {
  nodes.forEach((node, index) => {
    const kind = kindOf(node);
    let child = drawn.children[index];
    if (child?.kind !== kind) {
      const made = node.type === "text" ? new TextView() : draw(node, kind);
      if (child) child.element.replaceWith(made.element);
      else drawn.within.append(made.element);
      drawn.children[index] = child = made;
    }
    if (node.type === "text") /** @type {TextView} */ (child).show(source.slice(node.from, node.to), node.from, spoken);
    else {
      const branch = /** @type {Drawn} */ (child);
      if (node.type === "link") Object.assign(branch.element, { href: node.href, title: node.href });
      update(branch, node.children, source, spoken);
    }
  });
  for (const { element } of drawn.children.splice(nodes.length)) element.remove();
}

/** @param {Node} node */
function kindOf(node) {
  if (node.type === "text") return "text";
  const { type, level, language, start, align, head } = node;
  return [type, level, language, start, align, head].join(" ");
}

/**
 * @param {Branch} node
 * @param {string} kind
 * @returns {Drawn}
 */
function draw(node, kind) {
  if (node.type === "code") return drawCode(node.language ?? "", kind);
  if (node.type === "table") return drawTable(kind);
  const element = make(tagOf(node), "");
  if (WITH_DIRECTION.includes(node.type)) element.dir = "auto";
  if (element instanceof HTMLOListElement && node.start !== undefined) element.start = node.start;
  if (element instanceof HTMLTableCellElement && node.head) element.scope = "col";
  if (node.align) element.className = `align-${node.align}`;
  if (element instanceof HTMLAnchorElement) Object.assign(element, { rel: "noopener noreferrer", target: "_blank" });
  return { kind, element, within: element, children: [] };
}

/**
 * @param {Branch} node
 * @returns {keyof HTMLElementTagNameMap}
 */
function tagOf({ type, level = 1, start, head }) {
  if (type === "heading") return /** @type {"h2"} */ (`h${Math.min(6, level + 1)}`); // the page's own is the first
  if (type === "list") return start === undefined ? "ul" : "ol";
  if (type === "cell") return head ? "th" : "td";
  return TAGS[type] ?? "span";
}

/**
 * @param {string} language
 * @param {string} kind
 * @returns {Drawn}
 */
function drawCode(language, kind) {
  const code = make("code", "");
  const scroller = make("pre", "", code);
  Object.assign(scroller, { tabIndex: 0, role: "group", ariaLabel: language ? `Code in ${language}` : "Code", dir: "ltr" });
  const copy = make("button", "copy", "Copy");
  Object.assign(copy, { type: "button", ariaLabel: "Copy the code" });
  copy.dataset.action = "copy-code";
  const head = make("div", "code-head", make("span", "", language || "Code"), copy);
  return { kind, element: make("div", "code", head, scroller), within: code, children: [] };
}

/**
 * @param {string} kind
 * @returns {Drawn}
 */
function drawTable(kind) {
  const body = make("tbody", "");
  const table = make("table", "", body);
  table.dir = "auto";
  const scroller = make("div", "table", table);
  Object.assign(scroller, { tabIndex: 0, role: "group", ariaLabel: "Table" });
  return { kind, element: scroller, within: body, children: [] };
}
