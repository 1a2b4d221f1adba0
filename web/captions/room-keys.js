/**
 * Tells by its key what has become of a room. Pure.
 *
 * @typedef {"" | "restarted" | "cleared"} Change  `restarted`: another room of the same name, as after a restart of the
 *   server; `cleared`: a speaker has removed the texts
 */
export class RoomKeys {
  #key = "";
  #isLive = false;
  #isKept = false;

  /** The connection is a new one: what happened before it, it does not tell. */
  reconnect() {
    this.#isLive = false;
  }

  /**
   * @param {{key: string, kept: boolean}} room  as the server reports it; `kept`: its texts outlive a restart
   * @returns {Change}
   */
  follow({ key, kept }) {
    const isAnother = this.#key !== "" && key !== "" && key !== this.#key;
    const noRestart = this.#isLive || this.#isKept;
    this.#isLive = key !== ""; // a room that was deleted is reported without a key
    this.#isKept = kept && key !== "";
    this.#key = key || this.#key;
    if (!isAnother) return "";
    return noRestart ? "cleared" : "restarted";
  }
}
