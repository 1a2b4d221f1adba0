/** Shows which path is active, and why. */

import { byId, make } from "./elements.js";

/** @typedef {import("../lib/path.js").Path} Path */

const WHO = { server: "the server", browser: "this browser", none: "not available" };

export class PathView {
  #chip = byId("path", HTMLButtonElement);
  #summary = byId("path-summary", HTMLElement);
  #stages = byId("path-stages", HTMLElement);
  #reasons = byId("path-reasons", HTMLElement);

  constructor() {
    this.hide();
  }

  /**
   * @param {Path} path
   * @param {string} model  that answers; empty: not known
   */
  show(path, model) {
    this.#summary.textContent = path.summary;
    this.#chip.dataset.state = path.transport === "none" ? "alone" : path.reasons.length > 0 ? "less" : "best";
    const rows = {
      Connection: path.connection,
      "Speech recognition": WHO[path.recognition],
      ...(model ? { "Language model": model } : {}),
      Voice: WHO[path.voice],
    };
    this.#stages.replaceChildren(
      ...Object.entries(rows).flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]),
    );
    this.#reasons.replaceChildren(...path.reasons.map((reason) => make("li", "", reason)));
  }

  /** There is no connection. */
  hide() {
    this.#summary.textContent = "Not connected";
    this.#chip.dataset.state = "none";
    this.#stages.replaceChildren(make("dt", "", "Connection"), make("dd", "", "not connected yet"));
    this.#reasons.replaceChildren();
  }
}
