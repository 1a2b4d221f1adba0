/** The buttons of a message: copy, play, ask again, edit. Whoever listens to the list finds out which one by `data-action`. */

import { make, makeSvg } from "../lib/elements.js";

/** @typedef {import("../lib/transcript.js").Message} Message */
/** @typedef {"copy" | "play" | "again" | "edit"} Tool */

/**
 * @typedef {object} Offers
 * @property {boolean} last  it is the last message
 * @property {boolean} plays  the server can speak
 * @property {string} playing  the id of the message that is played; empty: none
 */

/** @type {Record<Tool, {label: string, icon: string}>} */
const TOOLS = {
  copy: { label: "Copy", icon: "M9 9V5h10v10h-4M5 9h10v10H5z" },
  edit: { label: "Edit", icon: "M4 20l1-4L16 5l3 3L8 19l-4 1M14 7l3 3" },
  play: { label: "Play aloud", icon: "M4 10v4h3l5 4V6L7 10H4M15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11" },
  again: { label: "Ask again", icon: "M19 12a7 7 0 1 1-2-5l2 2M19 4v5h-5" },
};
const STOP = "M7 7h10v10H7z";

export class MessageTools {
  element = make("div", "tools");
  /** @type {Map<Tool, HTMLButtonElement>} */
  #buttons = new Map();

  /** @param {Message["role"]} role */
  constructor(role) {
    /** @type {Tool[]} */
    const tools = role === "user" ? ["copy", "edit"] : ["copy", "play", "again"];
    for (const tool of tools) {
      const { label, icon } = TOOLS[tool];
      const button = make("button", "icon", drawing(icon));
      Object.assign(button, { type: "button", ariaLabel: label, title: label });
      button.dataset.action = tool;
      this.#buttons.set(tool, button);
      this.element.append(button);
    }
  }

  /**
   * @param {Message} message
   * @param {Offers} offers
   */
  show({ id, status, text }, { last, plays, playing }) {
    const ended = status === "done" || status === "cut" || status === "failed";
    this.#offer("copy", text !== "" && ended);
    this.#offer("edit", text !== "" && (ended || status === "pending"));
    this.#offer("again", last && ended && status !== "failed");
    this.#offer("play", text !== "" && ended && plays);
    this.#showPlaying(id === playing);
  }

  /**
   * @param {Tool} tool
   * @param {boolean} offered
   */
  #offer(tool, offered) {
    const button = this.#buttons.get(tool);
    if (button) button.hidden = !offered;
  }

  /** @param {boolean} playing */
  #showPlaying(playing) {
    const button = this.#buttons.get("play");
    const label = playing ? "Stop playing" : TOOLS.play.label;
    if (!button || button.title === label) return;
    Object.assign(button, { ariaLabel: label, title: label });
    button.replaceChildren(drawing(playing ? STOP : TOOLS.play.icon));
    button.classList.toggle("active", playing);
  }
}

/** @param {string} path */
function drawing(path) {
  return makeSvg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, makeSvg("path", { d: path }));
}
