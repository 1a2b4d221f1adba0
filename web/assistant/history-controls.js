/** The buttons of the history: a new conversation, which can be undone, and the list of past ones. */

import { byId } from "../lib/elements.js";
import { Notices } from "./notices.js";

const UNDO_MS = 10_000;

export class HistoryControls {
  #history;
  #notices = new Notices();
  /** @type {import("./history-dialog.js").HistoryDialog | null} */
  #dialog = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #undoable;

  /** @param {import("./history.js").History} history */
  constructor(history) {
    this.#history = history;
    byId("new", HTMLButtonElement).addEventListener("click", () => this.#begin());
    byId("open-history", HTMLButtonElement).addEventListener("click", () => this.#open());
    history.on("current", () => this.#forgetUndo());
    history.on("lack", () => {
      const advice = "Delete past conversations, or download this one.";
      this.#notices.show("not-kept", "This conversation is not kept: the browser has no space left.", advice);
    });
  }

  #begin() {
    const undo = this.#history.begin();
    this.#notices.show("closed", "Conversation closed.", "", { label: "Undo", run: undo });
    this.#undoable = setTimeout(() => this.#forgetUndo(), UNDO_MS);
    byId("conversation", HTMLElement).focus(); // the button goes with the messages
  }

  #forgetUndo() {
    clearTimeout(this.#undoable);
    this.#notices.hide("closed");
  }

  async #open() {
    this.#notices.hide("no-history");
    try {
      if (this.#dialog === null) {
        const { HistoryDialog } = await import("./history-dialog.js");
        this.#dialog ??= new HistoryDialog(this.#history);
      }
      await this.#dialog.open();
    } catch {
      const advice = "Try again when the server can be reached, or reload the page.";
      this.#notices.show("no-history", "Past conversations couldn't be loaded.", advice);
    }
  }
}
