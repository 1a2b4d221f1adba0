import { Emitter } from "./emitter.js";
import { newItemId } from "./item-id.js";
import { Transcript } from "./transcript.js";

/**
 * The messages, and the answers that they wait for. Answers are asked for one at a time: to written messages in their
 * order, and to what was said where the server does not answer by itself. What cannot be asked now waits, for the
 * connection or for the answer before it.
 *
 * @extends {Emitter<{
 *   messages: readonly import("./transcript.js").Message[],
 *   progress: import("./speaker.js").Played,
 * }>}
 */
export class Conversation extends Emitter {
  #link;
  #owed = false; // an answer to what the conversation ends with
  transcript = new Transcript(() => Date.now());

  /** @param {import("./server-link.js").ServerLink} link */
  constructor(link) {
    super();
    this.#link = link;
    link.on("progress", (played) => {
      this.transcript.played(played);
      this.emit("progress", played);
      this.changed();
    });
    link.on("latency", ({ responseId, stages }) => {
      this.transcript.addLatency(responseId, stages);
      this.changed();
    });
  }

  /** Whether anything waits to be asked, or for its answer. */
  get waiting() {
    return this.#owed || this.#link.answering || this.transcript.pending !== null;
  }

  /**
   * A message that was written, or said where the browser recognised it. It is in the transcript at once.
   *
   * @param {string} text
   * @param {{id?: string, spoken?: boolean}} [how]
   */
  ask(text, { id = newItemId(), spoken = false } = {}) {
    this.transcript.putPending(id, text, spoken);
    this.next();
    this.changed();
  }

  /**
   * An answer to what the conversation ends with.
   *
   * @param {{later?: boolean}} [when]  `later`: after a response that is in progress
   */
  owe({ later = false } = {}) {
    this.#owed = true;
    if (!later) this.next();
  }

  /**
   * Ask again for an answer that failed.
   *
   * @param {string} id  of its message
   */
  retry(id) {
    this.transcript.remove(id);
    this.changed();
    this.owe();
  }

  /** Nobody wants the answer that is owed. */
  forget() {
    this.#owed = false;
  }

  /** Ask what can be asked now. */
  next() {
    if (!this.#link.open || this.#link.answering) return;
    if (!this.#owed) {
      const message = this.transcript.takePending();
      if (message === null) return;
      this.#link.send(message);
    }
    this.#owed = false;
    this.#link.requestAnswer();
    this.changed();
  }

  /** @param {import("./transcript.js").ServerEvent} event */
  take(event) {
    if (this.transcript.take(event)) this.changed();
  }

  /**
   * The session ended in the middle of something.
   *
   * @param {boolean} heardAgain  the utterance in progress goes to the next one
   * @param {boolean} answering  something was being answered
   */
  interrupted(heardAgain, answering) {
    const unanswered = this.transcript.connectionLost(heardAgain);
    if (unanswered || answering) this.owe();
    this.changed();
  }

  /** It was ended by the user; messages that wait go on waiting. */
  end() {
    this.forget();
    this.transcript.connectionLost();
    this.changed();
  }

  /** Forget everything. */
  clear() {
    this.forget();
    this.transcript.clear();
    this.changed();
  }

  /** The transcript has changed. */
  changed() {
    this.emit("messages", this.transcript.messages);
  }
}
