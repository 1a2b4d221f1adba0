import { findWords } from "./caption-search.js";
import { debounced } from "./debounce.js";
import { byId } from "../lib/elements.js";

const TYPING_MS = 150;
const ALL = "found"; // names of highlights in the style sheet
const CURRENT = "found-now";

/**
 * Searches the captions: marks what it finds, and goes from one place to the next. Enter: the next one, with Shift the
 * one before; Escape closes it.
 */
export class SearchBar {
  #bar = byId("search-bar", HTMLElement);
  #words = byId("search-words", HTMLInputElement);
  #count = byId("search-count", HTMLElement);
  #text = byId("text", HTMLElement);
  /** @type {Range[]} */
  #found = [];
  #current = -1;
  #refresh = debounced(() => this.#find(false), TYPING_MS);
  #typed = debounced(() => this.#find(true), TYPING_MS);

  constructor() {
    const opener = byId("search", HTMLButtonElement);
    opener.addEventListener("click", () => (this.#bar.hidden ? this.#open(opener) : this.#close(opener)));
    this.#words.addEventListener("input", () => this.#typed.call());
    byId("search-next", HTMLButtonElement).addEventListener("click", () => this.#go(1));
    byId("search-previous", HTMLButtonElement).addEventListener("click", () => this.#go(-1));
    byId("search-close", HTMLButtonElement).addEventListener("click", () => this.#close(opener));
    this.#bar.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#close(opener);
      else if (event.key === "Enter" && event.target === this.#words) {
        this.#typed.flush();
        this.#go(event.shiftKey ? -1 : 1);
      } else return;
      event.preventDefault();
    });
  }

  /** The captions have changed. */
  update() {
    if (!this.#bar.hidden) this.#refresh.call();
  }

  /** @param {HTMLButtonElement} opener */
  #open(opener) {
    this.#bar.hidden = false;
    opener.setAttribute("aria-expanded", "true");
    this.#words.focus();
    this.#words.select();
    this.#find(true);
  }

  /** @param {HTMLButtonElement} opener */
  #close(opener) {
    this.#bar.hidden = true;
    opener.setAttribute("aria-expanded", "false");
    this.#found = [];
    this.#mark();
    opener.focus();
  }

  /** @param {boolean} isNew  other words are searched: begin with the last place, which is the newest */
  #find(isNew) {
    const paragraphs = [...this.#text.querySelectorAll("p")].filter((paragraph) => !paragraph.hidden);
    const nodes = paragraphs.map(textNodes);
    const texts = nodes.map((each) => each.map(({ data }) => data).join(""));
    const matches = findWords(texts, this.#words.value);
    this.#found = matches.map(({ place, start, end }) => rangeOf(nodes[place] ?? [], start, end));
    if (isNew || this.#current >= this.#found.length) this.#current = this.#found.length - 1;
    if (isNew) this.#reveal();
    this.#mark();
  }

  /** @param {number} steps */
  #go(steps) {
    if (this.#found.length === 0) return;
    this.#current = (this.#current + steps + this.#found.length) % this.#found.length;
    this.#reveal();
    this.#mark();
  }

  #reveal() {
    const parent = this.#found[this.#current]?.startContainer.parentElement;
    parent?.scrollIntoView({ block: "center" });
  }

  #mark() {
    const found = this.#found.length;
    const told = found ? `${this.#current + 1} of ${found}` : "Not found";
    this.#count.textContent = this.#words.value.trim() ? told : "";
    if (!CSS.highlights) return select(this.#bar.hidden ? undefined : this.#found[this.#current]);
    CSS.highlights.set(ALL, new Highlight(...this.#found));
    const current = this.#found[this.#current];
    const now = new Highlight(...(current ? [current] : []));
    now.priority = 1;
    CSS.highlights.set(CURRENT, now);
  }
}

/** @param {Element} element  whose hidden parts, such as times that are not shown, are left out */
function textNodes(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  /** @type {Text[]} */
  const nodes = [];
  while (walker.nextNode()) {
    const node = /** @type {Text} */ (walker.currentNode);
    if (node.parentElement?.checkVisibility?.() ?? true) nodes.push(node);
  }
  return nodes;
}

/**
 * @param {Text[]} nodes  of a paragraph
 * @param {number} start  of characters in all of them
 * @param {number} end
 */
function rangeOf(nodes, start, end) {
  const range = new Range();
  let before = 0;
  let begun = false;
  for (const node of nodes) {
    const after = before + node.data.length;
    if (!begun && start < after) {
      range.setStart(node, start - before);
      begun = true;
    }
    if (end <= after) {
      range.setEnd(node, end - before);
      break;
    }
    before = after;
  }
  return range;
}

/** @param {Range | undefined} range  marked as a selection, where the browser has no highlights */
function select(range) {
  const selection = getSelection();
  selection?.removeAllRanges();
  if (range) selection?.addRange(range);
}
