/** The conversation as it stands on the screen, from the events of the server. It outlives connections. Pure. */

import { isBeingSpoken, settled } from "./saved-message.js";
import { HANDLERS } from "./transcript-events.js";
import { WordPlacer } from "./words.js";

/** @typedef {{type: string, [field: string]: any}} ServerEvent */

/**
 * @typedef {"pending" | "hearing" | "recognising" | "in_progress" | "done" | "cut" | "failed"} Status
 *   of what the user says: `hearing` (speaking), `recognising` (the turn is over), `done`, `failed`; of what the user
 *   writes: `pending` (the server does not have it yet), `done`;
 *   of a reply: `in_progress`, `done`, `cut` (interrupted), `failed`
 */

/**
 * @typedef {object} Message
 * @property {string} id
 * @property {"user" | "assistant"} role
 * @property {Status} status
 * @property {string} text  text that does not change
 * @property {string} tentative  text that follows it and may change
 * @property {boolean} spoken  spoken, not written
 * @property {number} lit  characters of a spoken reply that were spoken so far
 * @property {string} [error]  that it failed, for the user
 * @property {string} [detail]  why, for who looks closer: what the server said
 * @property {Fallback} [fallback]  another model answered instead of the requested one
 * @property {Answer} [answer]  who answered
 * @property {string} [responseId]
 * @property {Record<string, number>} [latency]  ms from the end of speech to each stage
 * @property {boolean} [lost]  it was cut by the loss of the connection, not by the user
 * @property {number} at  when it began: ms since 1970
 */

/** @typedef {{model: string, from: string, reason: string}} Fallback  `model` answered in place of `from` */
/**
 * @typedef {object} Answer
 * @property {string} model
 * @property {string} [why]  why that model was asked, in sentences
 * @property {Cost} [cost]
 */
/** @typedef {{usd: number, estimated?: boolean, unpriced?: boolean}} Cost  `unpriced`: a part of it has no known price */
/**
 * @typedef {Message & {words: WordPlacer, truncated: boolean, voiced?: number, hidden?: boolean}} Entry  `voiced`: characters
 *   that have audio, where the server's voice failed; `hidden`: an item of the server that is no message
 */

const MAX_REPLAYED_CHARACTERS = 12_000; // of a conversation that is given to a new session, newest first
const MAX_REMOVED = 1000; // ids of which late events are ignored

export class Transcript {
  /** @type {Entry[]} */
  #entries = [];
  /** @type {Set<string>} items and responses that the user removed: what still comes of them is not shown */
  #removed = new Set();
  #now;

  /** @param {() => number} now  ms since 1970 */
  constructor(now) {
    this.#now = now;
  }

  /** @returns {readonly Message[]} what there is to show, oldest first */
  get messages() {
    return this.#entries.filter((entry) => entry.text || entry.tentative || entry.error || entry.status === "hearing");
  }

  /**
   * @param {ServerEvent} event
   * @returns {boolean} whether it changed anything
   */
  take(event) {
    const handler = HANDLERS[event.type];
    if (handler === undefined || this.#removed.has(event.item_id ?? event.item?.id ?? event.response?.id)) return false;
    handler(this, event);
    return true;
  }

  /**
   * Add a message that was spoken or written here, before the server has it.
   *
   * @param {string} id
   * @param {string} text
   * @param {{tentative?: string, spoken?: boolean}} [how]
   */
  putUser(id, text, { tentative = "", spoken = false } = {}) {
    const entry = this.entry(id, "user", spoken);
    entry.text = text;
    entry.tentative = tentative;
    entry.status = tentative ? "hearing" : "done";
  }

  /**
   * Add a message that waits until it can be sent. Messages that arrive before then are shown above it.
   *
   * @param {string} id
   * @param {string} text
   * @param {boolean} spoken
   */
  putPending(id, text, spoken) {
    this.putUser(id, text, { spoken });
    const entry = this.entry(id, "user", spoken);
    entry.status = "pending";
    this.#entries = [...this.#entries.filter((each) => each !== entry), entry];
  }

  /** The oldest message that waits. */
  get pending() {
    return this.#entries.find(({ status }) => status === "pending") ?? null;
  }

  /** @returns {{type: string, item: object} | null} the oldest message that waits, as the event that tells the server */
  takePending() {
    const entry = this.pending;
    if (entry === null) return null;
    entry.status = "done";
    return asItem(entry, entry.text);
  }

  /**
   * How much of a reply was played.
   *
   * @param {import("./speaker.js").Played} played
   */
  played({ itemId, ms, ended, complete }) {
    const entry = this.#find(itemId);
    if (!entry || entry.truncated) return;
    if (complete) entry.lit = Math.max(entry.lit, entry.voiced ?? entry.text.length);
    else if (ended) this.#cut(entry, ms);
    else entry.lit = Math.max(entry.voiced === undefined ? 0 : entry.lit, entry.words.begun(ms));
  }

  /**
   * The browser's own voice starts a sentence; it has no word times.
   *
   * @param {string} itemId
   * @param {string} sentence
   */
  spokenSentence(itemId, sentence) {
    const entry = this.#find(itemId);
    if (!entry) return;
    entry.spoken = true;
    const at = entry.text.indexOf(sentence, entry.lit);
    if (at >= 0) entry.lit = at + sentence.length;
  }

  /**
   * The browser's own voice was stopped: sentences that it had not started were not heard.
   *
   * @param {string} itemId
   */
  cutSpoken(itemId) {
    const entry = this.#find(itemId);
    if (entry && isBeingSpoken(entry)) entry.status = "cut";
  }

  /**
   * The browser's own voice has spoken all of a reply.
   *
   * @param {string} itemId
   */
  playedAll(itemId) {
    const entry = this.#find(itemId);
    if (entry && !entry.truncated) entry.lit = entry.text.length;
  }

  /**
   * @param {string} responseId
   * @param {Record<string, number>} latency
   */
  addLatency(responseId, latency) {
    const entry = this.#entries.find((each) => each.responseId === responseId);
    if (entry) entry.latency = latency;
  }

  /**
   * The connection is lost, and with it items in progress. Their text so far stays.
   *
   * @param {boolean} [heardAgain]  the utterance in progress goes to the next session as a whole
   * @returns {boolean} whether a finished utterance will get no answer
   */
  connectionLost(heardAgain = false) {
    const last = this.#entries.findLast(({ status }) => status !== "pending");
    const unanswered = last?.status === "recognising" && `${last.text}${last.tentative}`.trim() !== "";
    if (heardAgain) this.#entries = this.#entries.filter(({ status }) => status !== "hearing");
    this.#settle(true);
    return unanswered;
  }

  /** The user ended the session, and with it items in progress. Their text so far stays. */
  ended() {
    this.#settle(false);
  }

  /** @param {boolean} lost  the connection was */
  #settle(lost) {
    this.#entries = this.#entries.filter(({ hidden }) => !hidden); // the next session does not know them
    for (const entry of this.#entries) {
      const now = settled(entry);
      const cut = now?.status === "cut" && entry.status !== "cut";
      if (now) Object.assign(entry, now, lost && cut ? { lost } : {});
      else if (entry.role === "assistant") entry.status = "cut";
      else Object.assign(entry, { status: "failed", error: "The connection was lost before this was recognised." });
    }
  }

  /**
   * The conversation as plain data, for `restore`.
   *
   * @returns {Message[]}
   */
  saved() {
    return this.messages.flatMap((message) => settled(message) ?? []);
  }

  /**
   * Show a saved conversation in place of this one. The next session is told of it.
   *
   * @param {readonly Message[]} messages
   */
  restore(messages) {
    this.clear();
    this.#entries = messages.map((message) => ({ ...message, tentative: "", words: new WordPlacer(), truncated: message.status === "cut" }));
  }

  /**
   * The message before another one: where a conversation is taken up again. Null: there is none.
   *
   * @param {string} id
   * @returns {Message | null}
   */
  before(id) {
    const index = this.messages.findIndex((message) => message.id === id);
    return this.messages[index - 1] ?? null;
  }

  /**
   * Remove all that comes after a message. What the server still says of it is ignored.
   *
   * @param {string | null} id  null: remove everything
   * @param {{pending?: boolean}} [which]  pending: also messages that wait
   * @returns {string[]} ids that the server may know
   */
  cutAfter(id, { pending = false } = {}) {
    const index = id === null ? -1 : this.#entries.findIndex((entry) => entry.id === id);
    const later = this.#entries.slice(index + 1);
    const gone = later.filter(({ status }) => pending || status !== "pending");
    this.#entries = [...this.#entries.slice(0, index + 1), ...later.filter((entry) => !gone.includes(entry))];
    for (const { id: item, responseId } of gone) this.#remember(item, responseId);
    return gone.filter(({ status }) => status !== "pending").map((entry) => entry.id);
  }

  /**
   * Return the conversation so far as `conversation.item.create` events for a new session: the newest messages that fit,
   * and the heard part of interrupted replies.
   *
   * @returns {ServerEvent[]}
   */
  replay() {
    /** @type {ServerEvent[]} */
    const events = [];
    let characters = 0;
    for (const entry of [...this.#entries].reverse()) {
      const text = (entry.status === "cut" && entry.spoken ? entry.text.slice(0, entry.lit) : entry.text).trim();
      if (!text || entry.status === "failed" || entry.status === "pending") continue;
      characters += text.length;
      if (characters > MAX_REPLAYED_CHARACTERS) break;
      events.unshift(asItem(entry, text));
    }
    return events;
  }

  /** Forget everything. */
  clear() {
    this.#entries = [];
    this.#removed.clear();
  }

  /**
   * The entry of an item. A new one is added at the end, before waiting messages.
   *
   * @param {string} id
   * @param {"user" | "assistant"} role
   * @param {boolean} spoken
   * @returns {Entry}
   */
  entry(id, role, spoken) {
    const known = this.#find(id);
    if (known) return known;
    /** @type {Entry} */
    const entry = {
      id,
      role,
      status: role === "user" ? "hearing" : "in_progress",
      text: "",
      tentative: "",
      spoken,
      lit: 0,
      at: this.#now(),
      words: new WordPlacer(),
      truncated: false,
    };
    const at = this.#entries.findIndex(({ status }) => status === "pending");
    this.#entries.splice(at < 0 ? this.#entries.length : at, 0, entry);
    return entry;
  }

  /** @param {string} id */
  remove(id) {
    this.#entries = this.#entries.filter((entry) => entry.id !== id);
  }

  /**
   * @param {string} id
   * @param {number} ms
   */
  truncate(id, ms) {
    const entry = this.#find(id);
    if (!entry) return;
    this.#cut(entry, ms);
    entry.truncated = true;
  }

  /** @param {...(string | undefined)} ids */
  #remember(...ids) {
    for (const id of ids) if (id) this.#removed.add(id);
    for (const oldest of this.#removed) {
      if (this.#removed.size <= MAX_REMOVED) break;
      this.#removed.delete(oldest);
    }
  }

  /** @param {string} id */
  #find(id) {
    return this.#entries.find((entry) => entry.id === id);
  }

  /**
   * @param {Entry} entry
   * @param {number} ms
   */
  #cut(entry, ms) {
    entry.status = "cut";
    entry.lit = entry.words.heard(ms);
  }
}

/**
 * @param {Entry} entry
 * @param {string} text  the text for the model
 */
function asItem({ id, role }, text) {
  const content = [{ type: role === "user" ? "input_text" : "output_text", text }];
  return { type: "conversation.item.create", item: { id, type: "message", role, content } };
}
