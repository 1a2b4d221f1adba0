import { clockText } from "./clock-text.js";
import { byId } from "../lib/elements.js";

/** Shows how far the captioning of a file is. */
export class FileView {
  #place = byId("file-progress", HTMLElement);
  #bar = byId("file-bar", HTMLProgressElement);
  #words = byId("file-words", HTMLElement);

  /** @param {() => void} cancel */
  constructor(cancel) {
    byId("file-cancel", HTMLButtonElement).addEventListener("click", cancel);
  }

  /** The file is sent. */
  begin() {
    this.#place.hidden = false;
    this.#bar.removeAttribute("value"); // not known how much
    this.#words.textContent = "Sending the file…";
  }

  /**
   * @param {number} seconds  done
   * @param {number} duration
   */
  show(seconds, duration) {
    this.#bar.max = duration;
    this.#bar.value = seconds;
    this.#words.textContent = `${clockText(seconds)} of ${clockText(duration)}`;
  }

  /** @param {string} words  how it ended */
  end(words) {
    this.#place.hidden = true;
    byId("file-result", HTMLElement).textContent = words;
  }
}
