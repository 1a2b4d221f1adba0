/** The part of the menu that saves the conversation as a file. */

import { conversationFile, FORMATS } from "./conversation-file.js";
import { byId } from "./elements.js";

/** @typedef {import("./conversation-file.js").Format} Format */

export class DownloadMenu {
  #menu = byId("more-menu", HTMLElement);

  /** @param {import("../lib/voice-session.js").VoiceSession} session */
  constructor(session) {
    byId("download", HTMLElement).addEventListener("click", ({ target }) => {
      const format = target instanceof HTMLElement ? target.dataset.format : undefined;
      if (!format) return;
      this.#save(conversationFile(session.messages, /** @type {Format} */ (format)), /** @type {Format} */ (format));
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
