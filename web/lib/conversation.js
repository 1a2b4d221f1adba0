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
  /** @type {string | null | undefined} the message after which all is removed; null: all messages; undefined: nothing is */
  #cutAfter = undefined;
  /** @type {Set<string>} items that were removed here, and not at the server yet */
  #gone = new Set();
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
   * Request another answer in place of one, which is removed with all that came after it.
   *
   * @param {string} id  of its message
   */
  retry(id) {
    this.#cut(id);
    this.changed();
    this.owe();
  }

  /**
   * Ask something else in place of a message of the user, which is removed with all that came after it.
   *
   * @param {string} id  of the message
   * @param {string} text
   */
  edit(id, text) {
    this.#cut(id, { pending: true });
    this.ask(text);
  }

  /** Cancel the request for an answer. */
  forget() {
    this.#needsAnswer = false;
  }

  /** Send the request that is due, if it can be sent now. */
  next() {
    if (!this.#link.open || this.#link.answering) return;
    this.#removeCut();
    if (!this.#needsAnswer) {
      const message = this.transcript.takePending();
      if (message === null) return;
      this.#link.send(message);
    }
    this.#needsAnswer = false;
    this.#link.requestAnswer();
    this.changed();
  }

  /**
   * Remove a message and those after it.
   *
   * @param {string} id
   * @param {{pending?: boolean}} [which]
   */
  #cut(id, which) {
    const before = this.transcript.before(id)?.id ?? null;
    this.#cutAfter = before;
    for (const item_id of this.transcript.cutAfter(before, which)) this.#gone.add(item_id);
  }

  /** Tell the server what was removed, and remove what an interrupted answer has added meanwhile. */
  #removeCut() {
    if (this.#cutAfter !== undefined) this.transcript.cutAfter(this.#cutAfter).forEach((id) => this.#gone.add(id));
    this.#cutAfter = undefined;
    for (const item_id of this.#gone) this.#link.send({ type: "conversation.item.delete", item_id });
    this.#gone.clear();
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
    this.#gone.clear(); // the next session never hears of them
    const unanswered = this.transcript.connectionLost(heardAgain);
    if (unanswered || answering) this.owe();
    this.changed();
  }

  /** Handle the end of the session by the user; waiting messages stay. */
  end() {
    this.forget();
    this.transcript.ended();
    this.changed();
  }

  /**
   * Forget everything, and continue with these messages.
   *
   * @param {readonly import("./transcript.js").Message[]} messages
   */
  restore(messages) {
    this.forget();
    this.#cutAfter = undefined;
    this.#gone.clear(); // the next session never hears of them
    this.transcript.restore(messages);
    this.changed();
  }

  /** Emit the changed transcript. */
  changed() {
    this.emit("messages", this.transcript.messages);
  }
}
