/** Names the model that answers: before the first reply, and for files. */

import { byId } from "./elements.js";

export class ModelName {
  #session;
  #default = "";
  #told = "";

  /** @param {import("../lib/voice-session.js").VoiceSession} session */
  constructor(session) {
    this.#session = session;
    session.on("event", ({ type, session: object }) => {
      if (!type.startsWith("session.") || !object?.model) return;
      this.#told = object.model;
      this.#show();
    });
    byId("settings", HTMLDialogElement).addEventListener("close", () => {
      this.#told = "";
      this.#show();
    });
  }

  /** Of the session, or of the next one; empty: not known. */
  get name() {
    return this.#told || this.#session.options.model || this.#default;
  }

  /** @param {import("../lib/path.js").Capabilities | null} capabilities  of the server */
  learn(capabilities) {
    this.#default = capabilities?.chat?.default ?? "";
    this.#show();
  }

  #show() {
    byId("model-line", HTMLElement).hidden = this.name === "";
    byId("model", HTMLElement).textContent = this.name;
  }
}
