/**
 * The turns that the user writes, and those that the browser recognised. Each stops the reply that is in its way.
 */
export class Turns {
  #conversation;
  #link;
  #browser;
  #tracker;

  /**
   * @param {import("./conversation.js").Conversation} conversation
   * @param {import("./server-link.js").ServerLink} link
   * @param {import("./browser-stages.js").BrowserStages} browser
   * @param {import("./activity.js").ActivityTracker} tracker
   */
  constructor(conversation, link, browser, tracker) {
    this.#conversation = conversation;
    this.#link = link;
    this.#browser = browser;
    this.#tracker = tracker;
  }

  /** Stop the reply. */
  interrupt() {
    this.#conversation.forget();
    this.#link.interrupt();
    this.#browser.cancel();
    this.#tracker.change({ answering: false });
  }

  /**
   * @param {string} text
   * @param {{id?: string, spoken?: boolean}} [how]
   */
  ask(text, how) {
    if (this.#tracker.sounding || this.#link.replying) this.interrupt();
    this.#conversation.ask(text, how);
  }

  /** @param {string} id  of an answer: ask for another one in its place */
  retry(id) {
    this.#stopReply();
    this.#conversation.retry(id);
  }

  /**
   * @param {string} id  of a message of the user
   * @param {string} text  in its place
   */
  edit(id, text) {
    this.#stopReply();
    this.#conversation.edit(id, text);
  }

  #stopReply() {
    if (this.#tracker.sounding || this.#link.answering) this.interrupt();
  }
}
