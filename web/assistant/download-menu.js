/** The part of the menu that saves the conversation as a file, or copies it. */

import { copyFrom } from "./clipboard.js";
import { conversationFile, FORMATS } from "./conversation-file.js";
import { byId } from "../lib/elements.js";

/** @typedef {import("./conversation-file.js").Format} Format */
/** @typedef {import("./conversation-file.js").Origin} Origin */

export class DownloadMenu {
  #menu = byId("more-menu", HTMLElement);

  /**
   * @param {import("../lib/voice-session.js").VoiceSession} session
   * @param {() => Origin} origin
   */
  constructor(session, origin) {
    byId("download", HTMLElement).addEventListener("click", ({ target }) => {
      const choice = target instanceof HTMLButtonElement ? target.dataset.format : undefined;
      if (!(target instanceof HTMLButtonElement) || !choice) return;
      if (choice === "copy") return void copyFrom(target, conversationFile(session.messages, "markdown", origin()));
      const format = /** @type {Format} */ (choice);
      this.#save(conversationFile(session.messages, format, origin()), format);
      this.#menu.hidePopover();
    });
  }

  /**
   * @param {string} text
   * @param {Format} format
   */
  #save(text, format) {
    const { extension, type } = FORMATS[format];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = `conversation-${new Date().toISOString().slice(0, 16).replace(":", "")}.${extension}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }
}
