/** Keeps the events of a session, both ways, within bounds. Pure. */

import { familyOf, keyFields } from "./event-summary.js";

/** @typedef {"client" | "server"} Side  who sent it */

/**
 * @typedef {object} Entry
 * @property {number} number  counts from 1
 * @property {Side} side
 * @property {string} type
 * @property {import("./event-summary.js").Family} family
 * @property {number} at  ms since 1970
 * @property {number} ms  from the start of the log
 * @property {number} sinceMs  from the entry before
 * @property {number} characters  of its JSON; of all of them, where several are counted in one row
 * @property {string} text  its JSON; of audio, the first event without the audio itself
 * @property {string} fields  the most important ones, in one line
 * @property {number} count  events in this row; more than one only of audio
 * @property {number} lastMs  when the last of them came
 */

/** @typedef {{at: number, side: Side, type: string, item?: string, text: string}} Seen */

export const MAX_EVENTS = 5000;
export const MAX_CHARACTERS = 16_000_000;
const MAX_RUNS = 200; // of audio that are counted on

/** Events that are nothing but audio, one every 20 ms or so; each is one more in the row of its turn or its item. */
const AUDIO = new Map([
  ["input_audio_buffer.append", "audio"],
  ["response.output_audio.delta", "delta"],
]);

/** After these, audio of the client belongs to another turn. */
const ENDS_INPUT = new Set(["input_audio_buffer.committed", "input_audio_buffer.cleared", "session.created"]);

export class EventLog {
  /** @type {Entry[]} */
  #entries = [];
  /** @type {Map<string, Entry>} the rows in which audio is counted, by side and item */
  #runs = new Map();
  #number = 0;
  #characters = 0;
  #startedAt = 0;
  #lastAt = 0;
  #maxEvents;
  #maxCharacters;
  /** Whether each event of audio is an entry of its own. */
  listsAudio = false;
  /** How many entries were dropped, because there were too many. */
  dropped = 0;

  /** @param {{maxEvents?: number, maxCharacters?: number}} [bounds] */
  constructor({ maxEvents = MAX_EVENTS, maxCharacters = MAX_CHARACTERS } = {}) {
    this.#maxEvents = maxEvents;
    this.#maxCharacters = maxCharacters;
  }

  /** @returns {readonly Entry[]} oldest first */
  get entries() {
    return this.#entries;
  }

  /** The number of the newest entry. */
  get newest() {
    return this.#number;
  }

  /** @param {Seen} seen  one event on the wire */
  add(seen) {
    if (AUDIO.has(seen.type) && this.listsAudio) this.#append(seen, withoutAudio(seen));
    else if (AUDIO.has(seen.type)) {
      const name = `${seen.side} ${seen.type} ${seen.item ?? ""}`;
      const run = this.#runs.get(name);
      if (run) return this.#count(run, seen);
      const entry = this.#append(seen, withoutAudio(seen));
      this.#runs.set(name, entry);
      const [oldest] = this.#runs.keys();
      if (this.#runs.size > MAX_RUNS && oldest !== undefined) this.#runs.delete(oldest);
    } else {
      if (ENDS_INPUT.has(seen.type)) this.#runs.delete("client input_audio_buffer.append ");
      this.#append(seen, seen.text);
    }
  }

  clear() {
    this.#entries = [];
    this.#runs.clear();
    this.#characters = 0;
    this.#startedAt = 0;
    this.dropped = 0;
  }

  /**
   * @param {Entry} run
   * @param {Seen} seen
   */
  #count(run, { at, text }) {
    run.count += 1;
    run.characters += text.length;
    run.lastMs = at - this.#startedAt;
    this.#lastAt = at;
  }

  /**
   * @param {Seen} seen
   * @param {string} text  that is kept
   * @returns {Entry}
   */
  #append({ at, side, type, text: whole }, text) {
    if (this.#startedAt === 0) this.#startedAt = this.#lastAt = at;
    this.#number += 1;
    const ms = at - this.#startedAt;
    const entry = {
      number: this.#number,
      side,
      type,
      family: familyOf(type),
      at,
      ms,
      sinceMs: at - this.#lastAt,
      characters: whole.length,
      text,
      fields: keyFields(type, text),
      count: 1,
      lastMs: ms,
    };
    this.#lastAt = at;
    this.#entries.push(entry);
    this.#characters += text.length;
    this.#shrink();
    return entry;
  }

  #shrink() {
    let surplus = 0;
    while (
      this.#entries.length - surplus > this.#maxEvents ||
      (this.#characters > this.#maxCharacters && this.#entries.length - surplus > 1)
    ) {
      this.#characters -= this.#entries[surplus]?.text.length ?? 0;
      surplus += 1;
    }
    // Dropped a hundred at a time, because each removal moves all others.
    if (surplus === 0) return;
    this.#entries.splice(0, surplus);
    this.dropped += surplus;
  }
}

/** @param {Seen} seen */
function withoutAudio({ type, text }) {
  const event = JSON.parse(text);
  const field = AUDIO.get(type) ?? "";
  return JSON.stringify({ ...event, [field]: `(${String(event[field]).length} characters of audio)` });
}

/**
 * @typedef {object} Filter
 * @property {string} text  that the JSON or the type has; upper and lower case are alike
 * @property {Side | ""} side
 * @property {import("./event-summary.js").Family | ""} family
 */

/** The entries that match a filter. Each is looked at once, also while the log grows. */
export class Matches {
  /** @type {Entry[]} */
  #found = [];
  #filter = "";
  #seen = 0; // number of the newest entry that was looked at

  /**
   * @param {readonly Entry[]} entries  of one log, oldest first
   * @param {Filter} filter
   * @returns {readonly Entry[]}
   */
  of(entries, filter) {
    const key = JSON.stringify(filter);
    const newest = entries.at(-1)?.number ?? 0;
    if (key !== this.#filter || newest < this.#seen) {
      this.#found = [];
      this.#seen = 0;
    }
    this.#filter = key;
    const first = entries[0]?.number ?? Infinity;
    const begin = Math.max(0, this.#seen - first + 1); // the numbers of entries have no gaps
    const found = this.#found.filter(({ number }) => number >= first);
    this.#found = [...found, ...entries.slice(begin).filter((entry) => matches(entry, filter))];
    this.#seen = newest;
    return this.#found;
  }
}

/**
 * @param {Entry} entry
 * @param {Filter} filter
 */
function matches(entry, { text, side, family }) {
  if ((side && entry.side !== side) || (family && entry.family !== family)) return false;
  const words = text.trim().toLowerCase();
  return !words || entry.type.includes(words) || entry.text.toLowerCase().includes(words);
}

/**
 * @param {Entry} entry
 * @returns {string} one line of JSON
 */
export function toJsonLine({ at, ms, side, type, text, count, lastMs, characters }) {
  const line = { at: new Date(at).toISOString(), ms: Math.round(ms), from: side, type };
  const run = count > 1 ? { events: count, last_ms: Math.round(lastMs), characters } : {};
  return JSON.stringify({ ...line, ...run, event: JSON.parse(text) });
}

/**
 * @param {readonly Entry[]} entries
 * @returns {string} JSONL
 */
export function toJsonLines(entries) {
  return entries.map((entry) => `${toJsonLine(entry)}\n`).join("");
}
