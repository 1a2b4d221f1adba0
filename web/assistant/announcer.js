/**
 * Gives text to a screen reader: recognised speech, errors, and replies that are not spoken. Spoken replies are audible
 * already.
 */

import { byId } from "./elements.js";

/** @typedef {import("../lib/transcript.js").Message} Message */

export class Announcer {
  #place = byId("announcer", HTMLElement);
  /** @type {Set<string>} */
  #announced = new Set();

  /** @param {readonly Message[]} messages */
  follow(messages) {
    for (const { id, role, status, text, spoken } of messages.slice(-3)) {
      if (this.#announced.has(id) || !text || (status !== "done" && status !== "cut")) continue;
      this.#announced.add(id);
      if (role === "user" && spoken) this.#say(`You said: ${text}`);
      else if (role === "assistant" && !spoken) this.#say(`Assistant: ${text}`);
    }
  }

  /** @param {string} text */
  #say(text) {
    this.#place.textContent = text;
  }
}
