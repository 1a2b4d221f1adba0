/** Names the model that answers, and where words go: before the first reply, and for files. */

import { modelsUsed, placed, sentOnTo } from "../lib/whereabouts.js";
import { byId, make } from "../lib/elements.js";

const WHO = { server: "the server", browser: "this browser, which often uses a service of its maker", none: "not available" };

export class ModelName {
  #session;
  #told = "";

  /** @param {import("../lib/voice-session.js").VoiceSession} session */
  constructor(session) {
    this.#session = session;
    session.on("event", ({ type, session: object }) => {
      if (!type.startsWith("session.") || !object?.model) return;
      this.#told = object.model;
      this.refresh();
    });
    byId("settings", HTMLDialogElement).addEventListener("close", () => {
      this.#told = "";
      this.refresh();
    });
  }

  /** Of the session, or of the next one; empty: not known. */
  get name() {
    return this.#told || this.#session.options.model || this.#session.capabilities?.chat?.default || "";
  }

  /** @returns {Record<string, string>} who hears, answers and speaks, and where */
  get stages() {
    const { path, capabilities, options } = this.#session;
    const used = capabilities ? modelsUsed(capabilities, options) : null;
    /** @param {string} name */
    const place = (name) => (capabilities && name ? placed(name, capabilities) : name);
    return {
      "Speech recognition": path.recognition === "server" && used ? place(used.recognition) : WHO[path.recognition],
      ...(this.name && capabilities ? { "Language model": place(this.name) } : {}),
      Voice: path.voice === "server" && used ? place(used.voice) : WHO[path.voice],
    };
  }

  /** The server's capabilities are known, or another model is used. */
  refresh() {
    const line = byId("model-line", HTMLElement);
    const { capabilities, options } = this.#session;
    const away = capabilities ? sentOnTo(capabilities, options) : [];
    const name = make("strong", "", away.join(", ") || this.name);
    name.id = "model";
    line.hidden = this.name === "";
    if (away.length > 0) line.replaceChildren(", which sends your words on to ", name);
    else line.replaceChildren(", where ", name, " answers");
  }
}
