import { Emitter } from "./emitter.js";
import { newItemId } from "./item-id.js";
import { Transcript } from "./transcript.js";

/**
 * Holds the messages and requests their answers one at a time: for written messages in order, and for spoken ones if the
 * server does not answer them automatically. A request waits for the connection and for the answer before it.
 *
 * @extends {Emitter<{
 *   messages: readonly import("./transcript.js").Message[],
 *   progress: import("./speaker.js").Played,
 * }>}
 */
export class Conversation extends Emitter {
  #link;
  #needsAnswer = false; // the end of the conversation has no answer yet
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

  /** Whether any message waits for its request or its answer. */
  get waiting() {
    return this.#needsAnswer || this.#link.answering || this.transcript.pending !== null;
  }

  /**
   * Add a message that was written, or that the browser recognised. It is in the transcript at once.
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
   * Request an answer to the end of the conversation.
   *
   * @param {{later?: boolean}} [when]  `later`: after a response that is in progress
   */
  owe({ later = false } = {}) {
    this.#needsAnswer = true;
    if (!later) this.next();
  }

  /**
   * Request a failed answer again.
   *
   * @param {string} id  of its message
   */
  retry(id) {
    this.transcript.remove(id);
    this.changed();
    this.owe();
  }

  /** Cancel the request for an answer. */
  forget() {
    this.#needsAnswer = false;
  }

  /** Send the request that is due, if it can be sent now. */
  next() {
    if (!this.#link.open || this.#link.answering) return;
    if (!this.#needsAnswer) {
      const message = this.transcript.takePending();
      if (message === null) return;
      this.#link.send(message);
    }
    this.#needsAnswer = false;
    this.#link.requestAnswer();
    this.changed();
  }

  /** @param {import("./transcript.js").ServerEvent} event */
  take(event) {
    if (this.transcript.take(event)) this.changed();
  }

  /**
   * Handle the end of a session during an utterance or answer.
   *
   * @param {boolean} heardAgain  the next session gets the utterance in progress again
   * @param {boolean} answering  an answer was in progress
   */
  interrupted(heardAgain, answering) {
    const unanswered = this.transcript.connectionLost(heardAgain);
    if (unanswered || answering) this.owe();
    this.changed();
  }

  /** Handle the end of the session by the user; waiting messages stay. */
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

  /** Emit the changed transcript. */
  changed() {
    this.emit("messages", this.transcript.messages);
  }
}
