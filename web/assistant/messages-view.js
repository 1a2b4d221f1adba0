/** Draws the conversation. Updates only changed messages, because a reply changes many times a second. */

import { answerView } from "./answer-view.js";
import { byId, make } from "./elements.js";
import { latencyView } from "./latency-view.js";

/** @typedef {import("../lib/transcript.js").Message} Message */

const NEAR_END = 80; // px: a reader this close to the end stays at the end

export class MessagesView {
  #retry;
  #scroller = byId("conversation", HTMLElement);
  #list = byId("messages", HTMLOListElement);
  #empty = byId("empty", HTMLElement);
  #latest = byId("latest", HTMLButtonElement);
  /** @type {Map<string, {element: HTMLElement, drawn: string, latency: boolean, answered: boolean}>} */
  #drawn = new Map();
  /** @type {readonly Message[]} */
  #messages = [];
  #scheduled = false;
  #follows = true;

  /** @param {(id: string) => void} retry  requests the failed answer of a message again */
  constructor(retry) {
    this.#retry = retry;
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#latest.addEventListener("click", () => this.#toEnd());
  }

  /** @param {readonly Message[]} messages */
  show(messages) {
    const last = messages.at(-1);
    const isWritten = last?.role === "user" && !last.spoken;
    if (isWritten && last.id !== this.#messages.at(-1)?.id) this.#follows = true; // scroll to the message that the user wrote
    this.#messages = messages;
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#scheduled = false;
    const ids = new Set(this.#messages.map(({ id }) => id));
    for (const [id, { element }] of this.#drawn) {
      if (ids.has(id)) continue;
      element.remove();
      this.#drawn.delete(id);
    }
    this.#messages.forEach((message, index) => this.#drawMessage(message, index));
    this.#empty.hidden = this.#messages.length > 0;
    this.#list.hidden = this.#messages.length === 0;
    if (this.#follows) this.#toEnd();
    else this.#latest.hidden = false;
  }

  /**
   * @param {Message} message
   * @param {number} index
   */
  #drawMessage(message, index) {
    const { id, status, text, tentative, spoken, lit, error, fallback, answer, latency } = message;
    const last = index === this.#messages.length - 1;
    let entry = this.#drawn.get(id);
    if (!entry) {
      entry = { element: make("li", `message ${message.role}`), drawn: "", latency: false, answered: false };
      entry.element.append(make("div", "content"));
      this.#drawn.set(id, entry);
    }
    if (this.#list.children[index] !== entry.element)
      this.#list.insertBefore(entry.element, this.#list.children[index] ?? null);
    const now = JSON.stringify([status, text, tentative, spoken, lit, error, fallback, last]);
    if (entry.drawn !== now) {
      entry.drawn = now;
      entry.element.dataset.status = status;
      entry.element.firstElementChild?.replaceChildren(...content(message));
      if (last && status === "failed" && message.role === "assistant") {
        entry.element.firstElementChild?.append(this.#retryButton(id));
      }
    }
    if (answer && !entry.answered) {
      entry.answered = true;
      entry.element.append(answerView(answer));
    }
    if (latency && !entry.latency) {
      entry.latency = true;
      entry.element.append(latencyView(latency));
    }
  }

  /** @param {string} id */
  #retryButton(id) {
    const button = make("button", "secondary retry", "Retry");
    button.type = "button";
    button.addEventListener("click", () => this.#retry(id));
    return button;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    this.#follows = scrollHeight - scrollTop - clientHeight < NEAR_END;
    if (this.#follows) this.#latest.hidden = true;
  }

  #toEnd() {
    this.#latest.hidden = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }
}

/**
 * @param {Message} message
 * @returns {HTMLElement[]}
 */
function content(message) {
  const who = make("span", "hidden", message.role === "user" ? "You: " : "Assistant: ");
  who.dir = "ltr"; // it does not decide the direction of the words
  const words = make("p", "words", who, ...(message.role === "user" ? userWords(message) : replyWords(message)));
  words.dir = "auto";
  const notes = [];
  if (message.error) notes.push(make("p", "aside error", message.error));
  else if (message.status === "cut") notes.push(make("p", "aside", "Interrupted"));
  if (message.fallback) {
    const { model, reason } = message.fallback;
    const did = message.role === "user" ? "Recognised" : "Answered";
    notes.push(make("p", "aside fallback", `${did} by ${model}: ${reason}`));
  }
  return message.text || message.tentative || !message.error ? [words, ...notes] : notes;
}

/** @param {Message} message */
function userWords({ text, tentative, status }) {
  const parts = [];
  if (text) parts.push(make("span", "", text));
  if (text && tentative) parts.push(" ");
  if (tentative) parts.push(make("span", "tentative", tentative));
  if (parts.length === 0 && status !== "failed") parts.push(waiting());
  return parts;
}

/** @param {Message} message */
function replyWords({ text, lit, spoken, status }) {
  if (!spoken) return [make("span", "said", text)];
  const rest = text.slice(lit).trimStart(); // the space before the first unheard word is not struck through
  if (!rest) return [make("span", "said", text)];
  const said = make("span", "said", text.slice(0, text.length - rest.length));
  // Screen readers get the whole reply while it is spoken, and learn which part of a cut reply was not heard.
  return status === "cut" ? [said, make("s", "unheard", rest)] : [said, make("span", "unsaid", rest)];
}

function waiting() {
  const dots = make("span", "waiting", make("i", ""), make("i", ""), make("i", ""));
  dots.setAttribute("role", "img");
  dots.setAttribute("aria-label", "Listening");
  return dots;
}
