/**
 * Gives text to a screen reader: the state of the conversation, recognised speech, and replies that are not spoken. Spoken
 * replies are audible already, and notices are announced by themselves.
 */

import { byId } from "../lib/elements.js";
import { plainText } from "./markdown.js";
import { stateAnnouncement } from "./state-words.js";

/** @typedef {import("../lib/activity.js").Activity} Activity */
/** @typedef {import("../lib/transcript.js").Message} Message */

const SETTLED_MS = 300; // a state that lasts less is not worth a word

export class Announcer {
  #messages = byId("announcer", HTMLElement);
  #state = byId("state-announcer", HTMLElement);
  /** @type {Set<string>} */
  #announced = new Set();
  /** @type {Activity} the last state that lasted */
  #told = "idle";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #settling;

  /** @param {readonly Message[]} messages */
  follow(messages) {
    for (const { id, role, status, text, spoken } of messages.slice(-3)) {
      if (this.#announced.has(id) || !text || (status !== "done" && status !== "cut")) continue;
      this.#announced.add(id);
      if (role === "user" && spoken) this.#messages.textContent = `You said: ${text}`;
      else if (role === "assistant" && !spoken) this.#messages.textContent = `Assistant: ${plainText(text)}`;
    }
  }

  /** @param {readonly Message[]} messages  of an earlier conversation: they are no news */
  skip(messages) {
    for (const { id } of messages) this.#announced.add(id);
  }

  /**
   * @param {Activity} now
   * @param {import("../lib/session-options.js").Mode} mode
   * @param {string} text  what is shown
   */
  activityChanged(now, mode, text) {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      const words = stateAnnouncement(this.#told, now, mode, text);
      this.#told = now;
      if (words) this.#state.textContent = words;
    }, SETTLED_MS);
  }
}
