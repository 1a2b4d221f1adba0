/** The conversation as it stands on the screen, from the events of the server. It outlives connections. Pure. */

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
 * @property {string} [error]  why it failed
 * @property {Fallback} [fallback]  another model answered instead of the requested one
 * @property {Answer} [answer]  who answered
 * @property {string} [responseId]
 * @property {Record<string, number>} [latency]  ms from the end of speech to each stage
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
 * @typedef {Message & {words: WordPlacer, truncated: boolean, voiced?: number}} Entry  `voiced`: characters that have audio,
 *   where the server's voice failed
 */

const REPLAYED_CHARACTERS = 12_000; // of a conversation that is given to a new session, newest first

export class Transcript {
  /** @type {Entry[]} */
  #entries = [];
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
    if (handler === undefined) return false;
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
    for (const entry of this.#entries) {
      if (entry.status === "hearing" || entry.status === "recognising") {
        entry.text = `${entry.text} ${entry.tentative}`.trim();
        entry.tentative = "";
        entry.status = entry.text ? "done" : "failed";
        if (!entry.text) entry.error = "The connection was lost before this was recognised.";
      } else if (entry.status === "in_progress" || (entry.status === "done" && isBeingSpoken(entry))) {
        entry.status = "cut";
      }
    }
    return unanswered;
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
      if (characters > REPLAYED_CHARACTERS) break;
      events.unshift(asItem(entry, text));
    }
    return events;
  }

  /** Forget everything. */
  clear() {
    this.#entries = [];
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

/**
 * Whether a message is spoken and not finished.
 *
 * @param {Entry} entry
 */
function isBeingSpoken({ role, spoken, lit, text }) {
  return role === "assistant" && spoken && lit < text.trimEnd().length;
}

/** @type {Record<string, (transcript: Transcript, event: ServerEvent) => void>} */
const HANDLERS = {
  "input_audio_buffer.speech_started"(transcript, event) {
    transcript.entry(event.item_id, "user", true).status = "hearing";
  },
  "input_audio_buffer.committed"(transcript, event) {
    const entry = transcript.entry(event.item_id, "user", true);
    if (entry.status === "hearing") entry.status = "recognising";
  },
  "streamsrv.transcription.partial"(transcript, event) {
    const entry = transcript.entry(event.item_id, "user", true);
    entry.text = event.stable;
    entry.tentative = event.unstable;
  },
  "conversation.item.input_audio_transcription.completed"(transcript, event) {
    if (!event.transcript.trim()) return transcript.remove(event.item_id);
    const entry = transcript.entry(event.item_id, "user", true);
    Object.assign(entry, { text: event.transcript.trim(), tentative: "", status: "done" });
    const { model, fallback } = event.streamsrv ?? {};
    if (fallback) entry.fallback = { model, ...fallback };
  },
  "conversation.item.input_audio_transcription.failed"(transcript, event) {
    const entry = transcript.entry(event.item_id, "user", true);
    const error = event.error?.message ?? "This could not be recognised.";
    Object.assign(entry, { text: `${entry.text} ${entry.tentative}`.trim(), tentative: "", status: "failed", error });
  },
  "conversation.item.deleted"(transcript, event) {
    transcript.remove(event.item_id);
  },
  "conversation.item.truncated"(transcript, event) {
    transcript.truncate(event.item_id, event.audio_end_ms);
  },
  "response.output_item.added"(transcript, event) {
    if (event.item.type !== "message") return;
    transcript.entry(event.item.id, "assistant", false).responseId = event.response_id;
  },
  "response.output_audio_transcript.delta"(transcript, event) {
    const entry = transcript.entry(event.item_id, "assistant", true);
    entry.spoken = true;
    entry.text += event.delta;
  },
  "response.output_text.delta"(transcript, event) {
    transcript.entry(event.item_id, "assistant", false).text += event.delta;
  },
  "streamsrv.words.timed"(transcript, event) {
    const entry = transcript.entry(event.item_id, "assistant", true);
    entry.words.place(entry.text, event.words);
  },
  "streamsrv.voice.failed"(transcript, event) {
    const entry = transcript.entry(event.item_id, "assistant", true);
    entry.voiced = entry.text.length - event.unspoken.length;
  },
  "response.done"(transcript, event) {
    const { id, status, status_details: details, output, streamsrv } = event.response;
    for (const item of output) {
      if (item.type !== "message") continue;
      const entry = transcript.entry(item.id, "assistant", false);
      if (entry.status === "in_progress") entry.status = status === "completed" ? "done" : "cut";
      if (streamsrv?.fallback) entry.fallback = { model: streamsrv.model, ...streamsrv.fallback };
      if (streamsrv?.model) entry.answer = answerOf(streamsrv);
    }
    if (status !== "failed") return;
    const said = output.find((/** @type {any} */ item) => item.type === "message");
    const entry = transcript.entry(said?.id ?? id, "assistant", false);
    Object.assign(entry, { status: "failed", error: details?.error?.message ?? "The answer failed.", responseId: id });
  },
};

/**
 * @param {{model: string, routing?: {reason: string}, cost?: Cost}} told  what `response.done` says
 * @returns {Answer}
 */
function answerOf({ model, routing, cost }) {
  return { model, ...(routing ? { why: routing.reason } : {}), ...(cost ? { cost } : {}) };
}
