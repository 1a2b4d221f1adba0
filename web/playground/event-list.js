import { byId, make } from "../lib/elements.js";
import { isPlainKey } from "../lib/plain-key.js";
import { inBytes, inClock } from "./event-summary.js";

/** @typedef {import("./event-log.js").Entry} Entry */

const ROW = 28; // px; also in playground.css
const BEYOND = 8; // rows that are drawn above and below what is visible

/** A list of thousands of events, of which only the visible ones are in the document. Arrow keys choose one. */
export class EventList {
  #box = byId("log", HTMLElement);
  #space = byId("log-space", HTMLElement);
  /** @type {readonly Entry[]} */
  #entries = [];
  /** @type {Map<number, {row: HTMLElement, count: number}>} the rows in the document, by the number of their entry */
  #rows = new Map();
  #chosen = 0; // number of an entry; 0: none
  #follows = true;
  #choose;

  /** @param {(entry: Entry) => void} choose  the user has chosen an entry */
  constructor(choose) {
    this.#choose = choose;
    this.#box.addEventListener("scroll", () => {
      this.#follows = this.#box.scrollTop + this.#box.clientHeight >= this.#box.scrollHeight - ROW;
      this.#draw();
    });
    this.#box.addEventListener("keydown", (event) => this.#key(event));
    this.#box.addEventListener("click", ({ target }) => {
      const row = target instanceof Element ? target.closest("[role=option]") : null;
      const entry = this.#entries.find(({ number }) => row?.id === `event-${number}`);
      if (entry) this.#pick(entry);
    });
    new ResizeObserver(() => this.show(this.#entries)).observe(this.#box);
  }

  /** @param {readonly Entry[]} entries  that match the filter, oldest first */
  show(entries) {
    this.#entries = entries;
    this.#box.hidden = entries.length === 0;
    this.#space.style.height = `${entries.length * ROW}px`;
    if (this.#follows) this.#box.scrollTop = entries.length * ROW;
    this.#draw();
  }

  /** Nothing is chosen any more. */
  release() {
    this.#chosen = 0;
    this.#draw();
  }

  focus() {
    this.#box.focus();
  }

  #draw() {
    const first = Math.max(0, Math.floor(this.#box.scrollTop / ROW) - BEYOND);
    const count = Math.ceil(this.#box.clientHeight / ROW) + 2 * BEYOND;
    const drawn = this.#entries.slice(first, first + count).map((entry, i) => ({ entry, index: first + i }));
    const chosen = this.#entries.findIndex(({ number }) => number === this.#chosen);
    const entry = this.#entries[chosen];
    // The chosen row stays in the document wherever the list is scrolled to: a screen reader is told of it by its id.
    if (entry && !drawn.some(({ index }) => index === chosen)) drawn.push({ entry, index: chosen });
    const numbers = new Set(drawn.map(({ entry: { number } }) => number));
    for (const [number, { row }] of this.#rows) {
      if (numbers.has(number)) continue;
      row.remove();
      this.#rows.delete(number);
    }
    for (const each of drawn) this.#place(each.entry, each.index);
    if (entry) this.#box.setAttribute("aria-activedescendant", `event-${entry.number}`);
    else this.#box.removeAttribute("aria-activedescendant");
  }

  /**
   * @param {Entry} entry
   * @param {number} index
   */
  #place(entry, index) {
    let drawn = this.#rows.get(entry.number);
    if (drawn?.count !== entry.count) {
      const row = rowOf(entry);
      if (drawn) drawn.row.replaceWith(row);
      else this.#space.append(row);
      drawn = { row, count: entry.count };
      this.#rows.set(entry.number, drawn);
    }
    drawn.row.style.transform = `translateY(${index * ROW}px)`;
    drawn.row.setAttribute("aria-posinset", String(index + 1));
    drawn.row.setAttribute("aria-setsize", String(this.#entries.length));
    drawn.row.setAttribute("aria-selected", String(entry.number === this.#chosen));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (!isPlainKey(event)) return;
    const page = Math.max(1, Math.floor(this.#box.clientHeight / ROW) - 1);
    const last = this.#entries.length - 1;
    const at = this.#entries.findIndex(({ number }) => number === this.#chosen);
    const steps = { ArrowDown: at + 1, ArrowUp: at < 0 ? last : at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: last };
    const to = steps[/** @type {keyof typeof steps} */ (event.key)];
    const entry = to === undefined ? undefined : this.#entries[Math.max(0, Math.min(last, to))];
    if (!entry) return;
    event.preventDefault();
    this.#pick(entry);
    const top = this.#entries.indexOf(entry) * ROW;
    if (top < this.#box.scrollTop) this.#box.scrollTop = top;
    if (top + ROW > this.#box.scrollTop + this.#box.clientHeight) this.#box.scrollTop = top + ROW - this.#box.clientHeight;
    this.#draw();
  }

  /** @param {Entry} entry */
  #pick(entry) {
    this.#chosen = entry.number;
    this.#choose(entry);
    this.#draw();
  }
}

/**
 * @param {Entry} entry
 * @returns {HTMLElement}
 */
function rowOf({ number, side, type, ms, sinceMs, count, characters, fields, family }) {
  const row = make(
    "div",
    "event",
    make("span", "time", inClock(ms)),
    make("span", "since", `+${Math.round(sinceMs)}`),
    make("span", "side", side === "client" ? "↑" : "↓", make("span", "hidden", side === "client" ? "sent" : "received")),
    make("span", "type", count > 1 ? `${type} ×${count}` : type),
    make("span", "fields", fields),
    make("span", "size", inBytes(characters)),
  );
  row.id = `event-${number}`;
  row.dataset.side = side;
  row.dataset.family = family;
  row.setAttribute("role", "option");
  return row;
}
