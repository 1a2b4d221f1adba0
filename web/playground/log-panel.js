import { byId } from "../lib/elements.js";
import { copy, save } from "./clipboard.js";
import { Matches, toJsonLines } from "./event-log.js";
import { EventList } from "./event-list.js";
import { FAMILY_CHOICES, inClock } from "./event-summary.js";
import { eachFrame } from "./frames.js";
import { asJson } from "./tool-mocks.js";

/** @typedef {import("./event-log.js").Entry} Entry */

const COUNTED_MS = 250; // between two drawings of what only counts

/** The event log with its filter, and the event that was chosen. */
export class LogPanel {
  #log;
  #list = new EventList((entry) => this.#open(entry));
  #detail = byId("log-detail", HTMLElement);
  #text = byId("filter-text", HTMLInputElement);
  #side = byId("filter-side", HTMLSelectElement);
  #family = byId("filter-family", HTMLSelectElement);
  /** @type {Entry | null} */
  #chosen = null;
  /** @type {{entries: readonly Entry[], newest: number} | null} what is shown while it is paused */
  #paused = null;
  #matches = new Matches();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #soon;
  /** Something has changed. */
  changed = eachFrame(() => this.#draw());

  /**
   * @param {import("./event-log.js").EventLog} log
   * @param {(event: import("../lib/connection.js").ClientEvent) => void} send
   */
  constructor(log, send) {
    this.#log = log;
    for (const { value, label } of FAMILY_CHOICES) this.#family.append(new Option(label, value));
    for (const control of [this.#text, this.#side, this.#family]) control.addEventListener("input", this.changed);
    const audio = byId("log-audio", HTMLInputElement);
    audio.checked = false; // also where the browser remembers it
    audio.addEventListener("change", () => (log.listsAudio = audio.checked));
    byId("log-pause", HTMLButtonElement).addEventListener("click", () => this.#pause());
    byId("log-clear", HTMLButtonElement).addEventListener("click", () => this.#clear());
    const copyAll = byId("log-copy", HTMLButtonElement);
    copyAll.addEventListener("click", () => copy(copyAll, toJsonLines(this.#shown())));
    byId("log-download", HTMLButtonElement).addEventListener("click", () =>
      save(`streamsrv-events-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.jsonl`, toJsonLines(this.#shown()), "application/jsonl"),
    );
    const copyOne = byId("log-copy-one", HTMLButtonElement);
    copyOne.addEventListener("click", () => copy(copyOne, byId("log-json", HTMLElement).textContent ?? ""));
    byId("log-close", HTMLButtonElement).addEventListener("click", () => this.#close());
    this.#detail.addEventListener("keydown", ({ key }) => key === "Escape" && this.#close());
    byId("raw-form", HTMLFormElement).addEventListener("submit", (submitted) => {
      submitted.preventDefault();
      const read = asJson(byId("raw-event", HTMLTextAreaElement).value);
      const problem = "problem" in read ? read.problem : typeof read.value?.type === "string" ? "" : 'An event is an object with a "type".';
      byId("raw-problem", HTMLElement).textContent = problem;
      if (!problem && "value" in read) send(read.value);
    });
  }

  /** There is one more event of nothing but audio, as there is every 20 ms. */
  counted() {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.changed();
    }, COUNTED_MS);
  }

  /** @returns {readonly Entry[]} */
  #shown() {
    const filter = { text: this.#text.value, side: this.#side.value, family: this.#family.value };
    return this.#matches.of(this.#paused?.entries ?? this.#log.entries, /** @type {import("./event-log.js").Filter} */ (filter));
  }

  #draw() {
    if (this.#text.closest("[hidden]")) return;
    const shown = this.#shown();
    this.#list.show(shown);
    const { entries, dropped, newest } = this.#log;
    const all = (this.#paused?.entries ?? entries).length;
    const count = shown.length === all ? `${all} rows` : `${shown.length} of ${all} rows`;
    const waiting = this.#paused ? `Paused: ${newest - this.#paused.newest} new. ` : "";
    const lost = dropped ? ` The oldest ${dropped} were dropped.` : "";
    byId("log-count", HTMLElement).textContent = all === 0 ? "No events yet." : `${waiting}${count}.${lost}`;
    if (this.#chosen && this.#chosen.count > 1) this.#title(this.#chosen);
  }

  #pause() {
    this.#paused = this.#paused ? null : { entries: [...this.#log.entries], newest: this.#log.newest };
    byId("log-pause", HTMLButtonElement).setAttribute("aria-pressed", String(this.#paused !== null));
    this.changed();
  }

  #clear() {
    this.#log.clear();
    if (this.#paused) this.#paused = { entries: [], newest: this.#log.newest };
    this.#close();
    this.changed();
  }

  /** @param {Entry} entry */
  #open(entry) {
    this.#chosen = entry;
    this.#title(entry);
    byId("log-json", HTMLElement).textContent = JSON.stringify(JSON.parse(entry.text), null, 2);
    this.#detail.hidden = false;
  }

  /** @param {Entry} entry */
  #title({ type, ms, lastMs, side, count }) {
    const when = count > 1 ? `${count} from ${inClock(ms)} to ${inClock(lastMs)}` : inClock(ms);
    byId("log-detail-title", HTMLElement).textContent = `${type}, ${side === "client" ? "sent" : "received"}, ${when}`;
  }

  #close() {
    if (this.#detail.contains(document.activeElement)) this.#list.focus();
    this.#chosen = null;
    this.#detail.hidden = true;
    this.#list.release();
  }
}
