/**
 * Tells by its key what has become of a room. Pure.
 *
 * @typedef {"" | "restarted" | "cleared"} Change  `restarted`: another room of the same name, as after a restart of the
 *   server; `cleared`: a speaker has removed the texts
 */
export class RoomKeys {
  #key = "";
  #isKept = false;

  /**
   * @param {{key: string, kept: boolean, cleared?: string[]}} room  as the server reports it; `kept`: its texts outlive a
   *   restart; `cleared`: the keys under which texts were cleared
   * @returns {Change}
   */
  follow({ key, kept, cleared = [] }) {
    const before = this.#key;
    const isCleared = cleared.includes(before) || (this.#isKept && key !== "" && key !== before);
    this.#isKept = kept && key !== ""; // a room that has ended is reported without a key
    this.#key = key || (isCleared ? "" : before);
    if (isCleared) return "cleared";
    return before !== "" && key !== "" && key !== before ? "restarted" : "";
  }
}
