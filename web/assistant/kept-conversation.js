/** What of a conversation is kept in the browser, what it is called, and what goes when there is too much. Pure. */

import { isBeingSpoken, settled } from "../lib/saved-message.js";

/** @typedef {import("../lib/transcript.js").Message} Message */

/**
 * @typedef {object} Summary  of a kept conversation
 * @property {string} id
 * @property {string} title
 * @property {number} at  when it began: ms since 1970
 * @property {number} changedAt  when it was last kept
 * @property {number} count  of its messages
 * @property {number} characters  of its texts
 */

export const MAX_CONVERSATIONS = 100;
const MAX_KEPT_CHARACTERS = 5_000_000; // of all conversations
const MAX_MESSAGES = 1000; // of a conversation: the newest
const MAX_CHARACTERS = 300_000; // of a conversation: the newest
const MAX_TITLE = 60;

const STATUSES = ["pending", "done", "cut", "failed"]; // of a message with which nothing happens

/**
 * Return the messages as they are kept: the newest that fit, and none in progress.
 *
 * @param {readonly Message[]} messages
 * @returns {Message[]}
 */
export function keptMessages(messages) {
  const kept = [];
  let characters = 0;
  for (const message of messages.slice(-MAX_MESSAGES).reverse()) {
    const ended = settled(message);
    if (ended === null) continue;
    characters += ended.text.length;
    if (characters > MAX_CHARACTERS) break;
    kept.unshift(ended);
  }
  return kept;
}

/**
 * Return the messages of what was kept. What cannot be read is left out.
 *
 * @param {unknown} kept
 * @returns {Message[]}
 */
export function readMessages(kept) {
  return Array.isArray(kept) ? kept.filter(isMessage) : [];
}

/**
 * @param {string} id
 * @param {Message[]} messages  at least one
 * @param {number} now  ms since 1970
 * @returns {Summary}
 */
export function summaryOf(id, messages, now) {
  const characters = messages.reduce((sum, { text }) => sum + text.length, 0);
  return { id, title: titleOf(messages), at: messages[0]?.at ?? now, changedAt: now, count: messages.length, characters };
}

/**
 * Return the first words of the user, or of the assistant if the user said none.
 *
 * @param {readonly Message[]} messages
 */
export function titleOf(messages) {
  const first = messages.find(({ role, text }) => role === "user" && text.trim()) ?? messages.find(({ text }) => text.trim());
  const words = (first?.text ?? "").replace(/\s+/g, " ").trim();
  if (words.length <= MAX_TITLE) return words || "Without words";
  const cut = words.slice(0, MAX_TITLE);
  return `${cut.slice(0, cut.lastIndexOf(" ") + 1 || MAX_TITLE).trim()}…`;
}

/**
 * Return the ids of the conversations that go, because there are too many or they are too long: the oldest.
 *
 * @param {readonly Summary[]} summaries
 * @param {string} current  the id of the one that stays in any case
 */
export function superfluous(summaries, current) {
  let characters = 0;
  const ordered = newestFirst(summaries);
  const going = ordered.filter((summary, index) => {
    characters += summary.characters;
    return index >= MAX_CONVERSATIONS || characters > MAX_KEPT_CHARACTERS;
  });
  return going.map(({ id }) => id).filter((id) => id !== current);
}

/**
 * Return the ids of the older half, which makes space where the browser gives no more.
 *
 * @param {readonly Summary[]} summaries
 * @param {string} current  the id of the one that stays in any case
 */
export function olderHalf(summaries, current) {
  const others = newestFirst(summaries).filter(({ id }) => id !== current);
  return others.slice(Math.floor(others.length / 2)).map(({ id }) => id);
}

/** @param {readonly Summary[]} summaries */
export function newestFirst(summaries) {
  return [...summaries].sort((one, other) => other.changedAt - one.changedAt);
}

/**
 * Whether a conversation has each of the words that are looked for.
 *
 * @param {readonly Message[]} messages
 * @param {string} wanted
 */
export function mentions(messages, wanted) {
  const text = messages.map((message) => message.text.toLowerCase()).join("\n");
  return wanted.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/**
 * A line that changes when a message is finished, goes, or is finished in another way: then the conversation is kept again.
 *
 * @param {readonly Message[]} messages
 */
export function finished(messages) {
  const done = messages.filter(isFinished);
  const last = done.at(-1);
  return `${done.length} ${last?.id} ${last?.status}`;
}

/** @param {Message} message */
function isFinished(message) {
  return STATUSES.includes(message.status) && !(message.status === "done" && isBeingSpoken(message));
}

/** @param {any} kept */
function isMessage(kept) {
  return (
    typeof kept?.id === "string" &&
    (kept.role === "user" || kept.role === "assistant") &&
    STATUSES.includes(kept.status) &&
    typeof kept.text === "string" &&
    Number.isFinite(kept.lit) &&
    Number.isFinite(kept.at)
  );
}
