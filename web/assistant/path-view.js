/** Shows which path is active, and why. */

import { byId, make } from "../lib/elements.js";

/** @typedef {import("../lib/path.js").Path} Path */

/** @typedef {import("../lib/activity.js").Activity} Activity */
/** @typedef {{summary: string, connection: string, state: "none" | "alone"}} None  what is shown without a connection */

/** @type {None} */
const NONE = { summary: "Not connected", connection: "not connected yet", state: "none" };
/** @type {Partial<Record<Activity, None>>} */
const NOT_CONNECTED = {
  idle: NONE,
  connecting: { summary: "Connecting…", connection: "being made", state: "none" },
  reconnecting: { summary: "Reconnecting…", connection: "lost, trying again", state: "alone" },
};

export class PathView {
  #chip = byId("path", HTMLButtonElement);
  #summary = byId("path-summary", HTMLElement);
  #stages = byId("path-stages", HTMLElement);
  #reasons = byId("path-reasons", HTMLElement);

  /** @type {Path | null} */
  #path = null;
  /** @type {Record<string, string>} */
  #performers = {};
  /** @type {Activity} */
  #activity = "idle";

  constructor() {
    this.#draw();
  }

  /**
   * @param {Path} path
   * @param {Record<string, string>} stages  who performs each
   */
  show(path, stages) {
    this.#path = path;
    this.#performers = stages;
    this.#draw();
  }

  /** @param {Activity} activity */
  showActivity(activity) {
    this.#activity = activity;
    this.#draw();
  }

  #draw() {
    const state = NOT_CONNECTED[this.#activity];
    if (state || this.#path === null) this.#showNone(state ?? NONE);
    else this.#showPath(this.#path);
  }

  /** @param {Path} path */
  #showPath(path) {
    this.#summary.textContent = path.summary;
    this.#chip.dataset.state = path.transport === "none" ? "alone" : path.reasons.length > 0 ? "less" : "best";
    const rows = { Connection: path.connection, ...this.#performers };
    this.#stages.replaceChildren(
      ...Object.entries(rows).flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]),
    );
    this.#reasons.replaceChildren(...path.reasons.map((reason) => make("li", "", reason)));
  }

  /** @param {None} none */
  #showNone({ summary, connection, state }) {
    this.#summary.textContent = summary;
    this.#chip.dataset.state = state;
    this.#stages.replaceChildren(make("dt", "", "Connection"), make("dd", "", connection));
    this.#reasons.replaceChildren();
  }
}
