/** Draws one message: its words, what happened to it, and what can be done with it. */

import { answerView } from "./answer-view.js";
import { make } from "../lib/elements.js";
import { latencyView } from "./latency-view.js";
import { MarkdownView } from "./markdown-view.js";
import { MessageTools } from "./message-tools.js";
import { SpokenWords } from "./spoken-words.js";

/** @typedef {import("../lib/transcript.js").Message} Message */
/** @typedef {import("./message-tools.js").Offers} Offers */

export class MessageView {
  #words = make("div", "words");
  #notes = make("div", "notes");
  #text;
  #tools;
  #drawn = "";
  #noted = "";
  #answered = false;
  #timed = false;
  /** @type {HTMLElement | null} what stands in place of the words while they are edited */
  #editor = null;

  /** @param {Message} message */
  constructor({ id, role, spoken }) {
    const user = role === "user";
    const who = make("span", "hidden", user ? "You: " : "Assistant: ");
    who.dir = "ltr"; // it does not decide the direction of the words
    this.#words.append(who);
    this.#words.dir = "auto";
    this.#text = user && spoken ? new SpokenWords(this.#words) : new MarkdownView(this.#words);
    this.#tools = new MessageTools(role);
    this.content = make("div", "content", this.#words, this.#notes);
    this.element = make("li", `message ${role}`, this.content, this.#tools.element);
    this.element.dataset.id = id;
  }

  /**
   * @param {Message} message
   * @param {Offers} offers
   */
  show(message, offers) {
    const { status, text, tentative, spoken, lit, error, answer, latency } = message;
    const now = JSON.stringify([status, text, tentative, spoken, lit]);
    if (now !== this.#drawn) {
      this.#drawn = now;
      this.element.dataset.status = status;
      this.#words.hidden = this.#editor !== null || (!text && !tentative && error !== undefined);
      this.#draw(message);
    }
    this.#note(message, offers.last);
    this.#tools.show(message, offers);
    if (answer && !this.#answered) {
      this.#answered = true;
      this.#tools.element.before(answerView(answer));
    }
    if (latency && !this.#timed) {
      this.#timed = true;
      this.#tools.element.before(latencyView(latency));
    }
  }

  /** @param {HTMLElement | null} editor  takes the place of the words; null: they are back */
  replaceWords(editor) {
    this.#editor?.remove();
    this.#editor = editor;
    if (editor) this.content.prepend(editor);
    this.#words.hidden = editor !== null;
    this.element.classList.toggle("edited", editor !== null);
  }

  /** @param {Message} message */
  #draw(message) {
    if (this.#text instanceof SpokenWords) return this.#text.show(message);
    const { role, status, text, spoken, lit } = message;
    const whole = role === "user" || !spoken || lit >= text.trimEnd().length;
    const reading = role === "user" ? { codeOnly: true } : { open: status === "in_progress" };
    this.#text.show(text, reading, { lit: whole ? Infinity : lit, cut: status === "cut" });
  }

  /**
   * @param {Message} message
   * @param {boolean} last
   */
  #note({ role, status, error, detail, lost, fallback }, last) {
    const retries = last && status === "failed" && role === "assistant";
    const now = JSON.stringify([status === "cut", error, detail, lost, fallback, retries]);
    if (now === this.#noted) return;
    this.#noted = now;
    this.#notes.replaceChildren();
    if (error) this.#notes.append(make("p", "aside error", error));
    if (error && detail) this.#notes.append(make("details", "aside answered", make("summary", "", "Details"), make("p", "aside", detail)));
    else if (status === "cut") this.#notes.append(make("p", "aside", lost ? "Cut off: the connection was lost" : "Interrupted"));
    if (fallback) {
      const did = role === "user" ? "Recognised" : "Answered";
      this.#notes.append(make("p", "aside fallback", `${did} by ${fallback.model}: ${fallback.reason}`));
    }
    if (retries) {
      const retry = make("button", "secondary retry", "Retry");
      retry.type = "button";
      retry.dataset.action = "retry";
      this.#notes.append(retry);
    }
  }
}
