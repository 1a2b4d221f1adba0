import { copyText } from "../lib/copy-text.js";
import { Problem } from "../lib/problems.js";
import { notDone } from "./caption-problems.js";
import { download } from "./downloads.js";
import { byId } from "../lib/elements.js";
import { server } from "./place.js";

const CODE = "download_failed";

/** The menu that copies or saves the captions. Its button works only while there are some. */
export class DownloadMenu {
  #menu = byId("download-menu", HTMLElement);
  #button = byId("download", HTMLButtonElement);
  #room;
  #text;
  #notices;

  /**
   * @param {string} room
   * @param {() => string} text  what is shown now
   * @param {import("./notices.js").Notices} notices
   */
  constructor(room, text, notices) {
    this.#room = room;
    this.#text = text;
    this.#notices = notices;
    this.offer(false);
    this.#menu.addEventListener("click", (event) => {
      const pressed = event.target instanceof HTMLButtonElement ? event.target : null;
      const format = pressed?.dataset.format;
      if (!format) return;
      this.#menu.hidePopover();
      void (format === "copy" ? this.#copy() : this.#save(format));
    });
  }

  /** @param {boolean} hasText  whether a text is final */
  offer(hasText) {
    this.#button.disabled = !hasText;
    this.#button.title = hasText ? "Copy or download" : "There are no captions to download yet";
  }

  /** @param {string} format */
  async #save(format) {
    this.#notices.hide(CODE);
    try {
      await download(server(), this.#room, format);
    } catch (error) {
      this.#notices.show(notDone(CODE, "The download failed.", error));
    }
  }

  async #copy() {
    this.#notices.hide(CODE);
    if (await copyText(this.#text())) return;
    this.#notices.show(new Problem(CODE, "Couldn't copy.", "Select the text and copy it instead."));
  }
}
