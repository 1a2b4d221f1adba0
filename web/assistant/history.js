import { Emitter } from "../lib/emitter.js";
import { newItemId } from "../lib/item-id.js";
import { keep, readKept } from "../lib/storage.js";
import { ConversationStore } from "./conversation-store.js";
import { finished, keptMessages, mentions, summaryOf } from "./kept-conversation.js";

/** @typedef {import("./kept-conversation.js").Summary} Summary */
/** @typedef {import("./conversation-store.js").Kept} Kept */
/** @typedef {import("../lib/transcript.js").Message} Message */
/** @typedef {{deleted: readonly string[]} | {keeps: boolean}} News  that one tab tells the others */

const CHOICE = "streamsrv.history"; // in localStorage; "off": nothing is kept
const CURRENT = "streamsrv.conversation"; // in sessionStorage: the conversation of this tab

/**
 * Keeps the conversation of a session in this browser after each finished message and when the page is left, and brings
 * kept ones back. Each page has a record of its own: a conversation that it continues replaces the earlier record with its
 * first message, so that two tabs never overwrite each other.
 *
 * @extends {Emitter<{lack: import("./conversation-store.js").Lack, current: readonly Message[]}>}  `lack`: why a conversation is not kept
 *   that was to be; `current`: the messages of another conversation, which goes on the page
 */
export class History extends Emitter {
  #session;
  #store;
  #keeps = readKept("localStorage", CHOICE) !== "off";
  #id = ""; // of this page's record; empty: it has none yet
  /** @type {Kept | null} the record that the next message replaces */
  #continued = null;
  #finished = ""; // what was finished when it was last kept
  #changed = false; // since it was last kept
  #deleted = false; // the user deleted it, so it is not kept again
  /** @type {BroadcastChannel | null} */
  #tabs = null;

  /**
   * @param {Pick<import("../lib/voice-session.js").VoiceSession, "messages" | "active" | "begin" | "on">} session
   * @param {ConversationStore} [store]
   */
  constructor(session, store = new ConversationStore()) {
    super();
    this.#session = session;
    this.#store = store;
    session.on("messages", (messages) => this.#follow(messages));
    addEventListener("pagehide", () => this.#leave());
    addEventListener("pageshow", () => this.#join());
    addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.#keep());
    this.#join();
  }

  /** Whether conversations are kept. */
  get keeps() {
    return this.#keeps;
  }

  /** Why nothing can be kept; null: it can. */
  get lack() {
    return this.#store.lack;
  }

  /** Show the conversation again that this tab had before it was loaded again, unless the user has begun another. */
  async restore() {
    const id = readKept("sessionStorage", CURRENT);
    if (!id) return;
    const kept = await this.#store.read(id);
    const { active, messages } = this.#session;
    if (kept && messages.length === 0 && !active) this.#show(kept.messages, { continued: kept });
  }

  /**
   * Begin a new conversation.
   *
   * @returns {() => void} brings the one before back
   */
  begin() {
    this.#keep();
    const before = { id: this.#id, continued: this.#continued, deleted: this.#deleted };
    const messages = keptMessages(this.#session.messages);
    this.#show([]);
    return () => {
      this.#keep();
      this.#show(messages, before);
    };
  }

  /**
   * Continue a kept conversation.
   *
   * @param {string} id
   */
  async open(id) {
    if (this.isCurrent(id)) return;
    const kept = await this.#store.read(id);
    if (kept === null) return; // another tab has deleted it
    this.#keep();
    this.#show(kept.messages, { continued: kept });
  }

  /** @param {string} id  of a kept conversation: whether it is on the page */
  isCurrent(id) {
    return id === this.#id || id === this.#continued?.id;
  }

  /**
   * Return the kept conversations that mention these words, the newest first.
   *
   * @param {string} [wanted]  empty: all
   * @returns {Promise<Summary[]>}
   */
  async find(wanted = "") {
    await this.#store.open();
    const all = await this.#store.list();
    if (!wanted.trim()) return all;
    const found = [];
    for (const summary of all) {
      const kept = await this.#store.read(summary.id);
      if (kept && mentions(kept.messages, wanted.trim())) found.push(summary);
    }
    return found;
  }

  /**
   * Delete a conversation, also from the page.
   *
   * @param {Summary} summary
   * @returns {Promise<() => Promise<boolean>>} brings it back; not to the page
   */
  async delete(summary) {
    const kept = await this.#store.read(summary.id);
    await this.#delete([summary.id]);
    return async () => kept !== null && this.#store.save(summary, kept.messages);
  }

  /** Delete all conversations, also that on the page. */
  async deleteAll() {
    const ids = (await this.#store.list()).map(({ id }) => id);
    await this.#store.clear();
    await this.#delete(ids);
  }

  /**
   * Keep conversations from now on, or none; then delete those that are kept. The one on the page stays there.
   *
   * @param {boolean} keeps
   */
  async setKeeps(keeps) {
    keep("localStorage", CHOICE, keeps ? "" : "off");
    this.#switch(keeps);
    this.#tabs?.postMessage(/** @type {News} */ ({ keeps }));
    if (!keeps) await this.#store.clear();
  }

  /** @param {boolean} keeps */
  #switch(keeps) {
    this.#keeps = keeps;
    if (keeps) this.#keep(true);
    else this.#forget();
  }

  /** The page's conversation has no record any more. */
  #forget() {
    this.#id = "";
    this.#continued = null;
    keep("sessionStorage", CURRENT, "");
  }

  /** @param {string[]} ids */
  async #delete(ids) {
    await this.#store.remove(ids);
    this.#tabs?.postMessage(/** @type {News} */ ({ deleted: ids }));
    if (ids.some((id) => this.isCurrent(id))) this.#show([]);
  }

  /**
   * @param {readonly Message[]} messages
   * @param {{id?: string, continued?: Kept | null, deleted?: boolean}} [record]  where they are kept
   */
  #show(messages, { id = "", continued = null, deleted = false } = {}) {
    this.#id = id;
    this.#continued = continued;
    this.#deleted = deleted;
    this.#finished = finished(messages);
    keep("sessionStorage", CURRENT, id || (continued?.id ?? ""));
    this.emit("current", messages);
    this.#session.begin(messages);
    this.#changed = false;
  }

  /** @param {readonly Message[]} messages */
  #follow(messages) {
    this.#changed = true;
    if (finished(messages) !== this.#finished) this.#keep();
  }

  /** @param {boolean} [also]  keep it also if it has not changed */
  async #keep(also = false) {
    if (!this.#keeps || this.#deleted || !(this.#changed || also)) return;
    this.#finished = finished(this.#session.messages);
    this.#changed = false;
    const messages = keptMessages(this.#session.messages);
    if (messages.length === 0) return;
    const isNew = this.#id === "";
    this.#id ||= newItemId();
    const id = this.#id;
    const continued = this.#continued;
    this.#continued = null;
    keep("sessionStorage", CURRENT, id);
    const kept = await this.#store.save(summaryOf(id, messages, Date.now()), messages);
    if (kept && continued) await this.#store.supersede(continued);
    if (kept && isNew) await this.#store.trim(id);
    if (!kept && this.#store.lack === "full") this.emit("lack", "full");
  }

  /** The page is left; it may come back from the browser's cache. */
  #leave() {
    this.#keep();
    this.#tabs?.close(); // an open channel keeps the page out of that cache
    this.#tabs = null;
  }

  #join() {
    void this.#store.open();
    this.#tabs ??= channel();
    if (this.#tabs) this.#tabs.onmessage = ({ data }) => this.#hear(data);
  }

  /** @param {News} news */
  #hear(news) {
    if ("keeps" in news) this.#switch(news.keeps);
    else if (news.deleted.some((id) => this.isCurrent(id))) {
      this.#deleted = true;
      this.#forget();
    }
  }
}

/** @returns {BroadcastChannel | null} to the other tabs; null: there is none */
function channel() {
  try {
    return new BroadcastChannel(CHOICE);
  } catch {
    return null; // Firefox refuses it where site data is blocked: nothing is kept that other tabs could show
  }
}
