import { byId } from "../lib/elements.js";

/** @typedef {{button: string, chip: string, state: "live" | "quiet" | "trouble"}} Words */

/** @type {Record<import("./captioning.js").CaptioningStatus, Words>} */
const WORDS = {
  idle: { button: "Start captions", chip: "Not live", state: "quiet" },
  connecting: { button: "Connecting…", chip: "Connecting…", state: "quiet" },
  live: { button: "Stop captions", chip: "Live", state: "live" },
  reconnecting: { button: "Stop captions", chip: "Connection lost", state: "trouble" },
  finishing: { button: "Finishing…", chip: "Finishing…", state: "quiet" },
  file: { button: "Cancel", chip: "Captioning the file", state: "live" },
};

/** The big button, and the words beside the title. */
export class StartView {
  #start = byId("start", HTMLButtonElement);
  #busy = false;
  #refused = false;

  /** @param {() => void} pressed */
  constructor(pressed) {
    this.#start.addEventListener("click", pressed);
  }

  /** @param {boolean} isRefused  whether this server cannot caption, or not without a key */
  refuse(isRefused) {
    this.#refused = isRefused;
    this.#start.disabled = this.#busy || isRefused;
  }

  /**
   * @param {import("./captioning.js").CaptioningStatus} status
   * @param {boolean} isPaused
   */
  show(status, isPaused) {
    const { button, chip, state } = WORDS[status];
    this.#start.textContent = button;
    this.#start.dataset.status = status;
    this.#busy = status === "connecting" || status === "finishing";
    this.#start.disabled = this.#busy || this.#refused;
    const paused = isPaused && status === "live";
    byId("status", HTMLElement).dataset.state = paused ? "quiet" : state;
    byId("status-text", HTMLElement).textContent = paused ? "Paused" : chip;
  }
}
