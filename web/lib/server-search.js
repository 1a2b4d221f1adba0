import { Emitter } from "./emitter.js";

const EVERY_MS = 10_000;

/**
 * Looks for an unreachable server until it answers: `found` has its capabilities.
 *
 * @extends {Emitter<{found: import("./path.js").Capabilities}>}
 */
export class ServerSearch extends Emitter {
  #server;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #searching = false;

  /** @param {import("./server.js").Server} server */
  constructor(server) {
    super();
    this.#server = server;
  }

  start() {
    this.#searching = true;
    this.#later();
  }

  stop() {
    this.#searching = false;
    clearTimeout(this.#timer);
  }

  /** Look now, instead of waiting. */
  async look() {
    clearTimeout(this.#timer);
    try {
      const capabilities = await this.#server.capabilities();
      if (!this.#searching) return;
      this.stop();
      this.emit("found", capabilities);
    } catch {
      if (this.#searching) this.#later(); // still unreachable; the user was told when the search began
    }
  }

  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.look(), EVERY_MS);
  }
}
