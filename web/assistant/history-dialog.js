/** The list of past conversations: open, search, delete, and whether any are kept. */

import { loadStyle } from "../lib/load-style.js";
import { byId, make, makeSvg } from "../lib/elements.js";

/** @typedef {import("./kept-conversation.js").Summary} Summary */

const LACKS = {
  unavailable: "This browser keeps nothing for this page: site data is blocked, or this is a private window.",
  newer: "A newer version of this page keeps the conversations. Reload the page to see them.",
  full: "This browser has no space left. Delete conversations to keep new ones.",
};
const BIN = "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5";

export class HistoryDialog {
  #history;
  #dialog = byId("history", HTMLDialogElement);
  #list = byId("history-list", HTMLElement);
  #told = byId("history-told", HTMLElement);
  #search = byId("history-search", HTMLInputElement);
  #keeps = byId("history-keeps", HTMLInputElement);
  #deleteAll = byId("history-delete-all", HTMLButtonElement);
  #asked = 0; // searches so far: only the latest is shown

  /** @param {import("./history.js").History} history */
  constructor(history) {
    this.#history = history;
    this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
    this.#search.addEventListener("input", () => this.#fill());
    this.#search.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault()); // not "Close"
    this.#keeps.addEventListener("change", () => this.#switch());
    this.#deleteAll.addEventListener("click", () => this.#clear());
  }

  async open() {
    this.#search.value = "";
    await Promise.all([this.#fill(), loadStyle(new URL("./history.css", import.meta.url))]);
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  async #fill() {
    const asked = ++this.#asked;
    const wanted = this.#search.value;
    const found = await this.#history.find(wanted);
    if (asked !== this.#asked) return;
    this.#list.replaceChildren(...found.map((summary) => this.#row(summary)));
    this.#search.hidden = found.length === 0 && wanted === "";
    this.#deleteAll.disabled = found.length === 0 && wanted === "";
    this.#keeps.checked = this.#history.keeps;
    this.#keeps.disabled = this.#history.lack === "unavailable";
    const { lack, keeps } = this.#history;
    const none = wanted ? "No conversation has these words." : "No conversations yet.";
    this.#told.textContent = keeps && lack ? LACKS[lack] : found.length === 0 ? none : "";
  }

  /** @param {Summary} summary */
  #row(summary) {
    const { id, title, changedAt, count } = summary;
    const name = make("span", "title", title);
    name.dir = "auto";
    const when = make("time", "", shortDate(changedAt));
    when.dateTime = new Date(changedAt).toISOString();
    const open = make("button", "past", name, make("span", "when", when, ` · ${count} ${count === 1 ? "message" : "messages"}`));
    const bin = makeSvg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, makeSvg("path", { d: BIN }));
    const remove = make("button", "icon", bin);
    remove.setAttribute("aria-label", `Delete “${title}”`);
    remove.title = "Delete";
    open.type = remove.type = "button";
    if (this.#history.isCurrent(id)) open.setAttribute("aria-current", "true");
    open.addEventListener("click", () => {
      this.#dialog.close();
      void this.#history.open(id);
    });
    remove.addEventListener("click", () => this.#delete(summary));
    return make("li", "", open, remove);
  }

  /** @param {Summary} summary */
  async #delete(summary) {
    const undo = await this.#history.delete(summary);
    await this.#fill();
    const button = make("button", "secondary", "Undo");
    button.type = "button";
    button.addEventListener("click", async () => {
      await undo();
      await this.#fill();
      this.#list.querySelector("button")?.focus();
    });
    this.#told.replaceChildren(`“${summary.title}” was deleted. `, button);
    button.focus(); // the button that had the focus is gone
  }

  async #clear() {
    const all = await this.#history.find();
    const open = all.some(({ id }) => this.#history.isCurrent(id)) ? ", with the one on this page" : "";
    if (!(await confirmed(`Delete ${counted(all)}${open}? This can't be undone.`))) return;
    await this.#history.deleteAll();
    this.#search.value = "";
    await this.#fill();
  }

  async #switch() {
    const { checked } = this.#keeps;
    const kept = checked ? [] : await this.#history.find();
    const agreed = kept.length === 0 || (await confirmed(`Stop keeping conversations, and delete the ${kept.length} that ${kept.length === 1 ? "is" : "are"} kept?`));
    if (agreed) await this.#history.setKeeps(checked);
    await this.#fill();
  }
}

/** @param {Summary[]} all */
function counted(all) {
  return all.length === 1 ? "the only conversation" : `all ${all.length} conversations`;
}

/**
 * Ask before something is deleted.
 *
 * @param {string} question
 * @returns {Promise<boolean>} whether the user agrees
 */
function confirmed(question) {
  const dialog = byId("confirm-dialog", HTMLDialogElement);
  byId("confirm-question", HTMLElement).textContent = question;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** @param {number} at  ms since 1970 */
function shortDate(at) {
  return new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" }).format(at);
}
