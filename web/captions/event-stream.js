/**
 * Reads server-sent events (WHATWG HTML, section 9.2) from the pieces of text in which they arrive. Pure.
 *
 * Replaces the browser's EventSource, which cannot send a key and does not tell why a server refuses.
 *
 * @typedef {{type: string, data: string}} StreamedEvent
 */
export class EventStream {
  /** The id of the last event that had one, from which a reader resumes. */
  lastEventId = "";
  #rest = "";
  #type = "";
  /** @type {string[]} */
  #data = [];

  /**
   * @param {string} text
   * @returns {StreamedEvent[]} the events that are complete with it
   */
  push(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines.flatMap((line) => this.#take(line.replace(/\r$/, "")));
  }

  /** Drop the incomplete event after a lost connection; it will be sent again. */
  restart() {
    this.#rest = this.#type = "";
    this.#data = [];
  }

  /**
   * @param {string} line
   * @returns {StreamedEvent[]}
   */
  #take(line) {
    if (line === "") {
      const event = { type: this.#type || "message", data: this.#data.join("\n") };
      const complete = this.#data.length > 0;
      this.#type = "";
      this.#data = [];
      return complete ? [event] : [];
    }
    const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (name === "event") this.#type = value ?? "";
    else if (name === "data") this.#data.push(value ?? "");
    else if (name === "id") this.lastEventId = value ?? "";
    return []; // a line that begins with a colon is a comment
  }
}
