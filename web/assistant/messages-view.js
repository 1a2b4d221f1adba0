/** Draws the conversation, and follows its end unless the reader looks at something else. */

import { copyFrom } from "./clipboard.js";
import { byId } from "../lib/elements.js";
import { messageEditor } from "./message-editor.js";
import { MessageView } from "./message-view.js";

/** @typedef {import("../lib/transcript.js").Message} Message */

/**
 * @typedef {object} Actions  what can be done with messages
 * @property {(id: string) => void} retry  ask for another answer in place of this one
 * @property {(id: string, text: string) => void} edit  ask this in place of a message
 * @property {(message: Message) => void} play  play an answer aloud, or stop that
 * @property {() => boolean} canPlay
 */

const NEAR_END = 80; // px: a reader this close to the end stays at the end

export class MessagesView {
  #actions;
  #scroller = byId("conversation", HTMLElement);
  #list = byId("messages", HTMLOListElement);
  #empty = byId("empty", HTMLElement);
  #latest = byId("latest", HTMLButtonElement);
  /** @type {Map<string, MessageView>} */
  #views = new Map();
  /** @type {readonly Message[]} */
  #messages = [];
  #playing = "";
  #scheduled = false;
  #follows = true;
  #reads = false; // what was opened, and has not scrolled since

  /** @param {Actions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#latest.addEventListener("click", () => this.#toEnd());
    for (const type of ["wheel", "touchmove", "keydown", "pointerdown"]) {
      this.#scroller.addEventListener(type, () => (this.#reads = false), { passive: true });
    }
    this.#list.addEventListener("click", (event) => this.#clicked(event));
    // What is opened stays in sight; a `toggle` event does not bubble.
    this.#list.addEventListener("toggle", ({ target }) => this.#opened(target), { capture: true });
    new ResizeObserver(() => this.#follows && this.#messages.length > 0 && this.#toEnd()).observe(this.#scroller);
  }

  /** @param {readonly Message[]} messages */
  show(messages) {
    const last = messages.at(-1);
    const isWritten = last?.role === "user" && !last.spoken;
    if (isWritten && last.id !== this.#messages.at(-1)?.id) this.#follows = true; // scroll to the message that the user wrote
    this.#messages = messages;
    this.refresh();
  }

  /** @param {string} id  of the answer that is played aloud; empty: none is */
  showPlaying(id) {
    this.#playing = id;
    this.refresh();
  }

  /** Draw the messages as they are now, with the next frame. */
  refresh() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#scheduled = false;
    const ids = new Set(this.#messages.map(({ id }) => id));
    for (const [id, { element }] of this.#views) {
      if (ids.has(id)) continue;
      element.remove();
      this.#views.delete(id);
    }
    const plays = this.#actions.canPlay();
    this.#messages.forEach((message, index) => this.#drawMessage(message, index, plays));
    this.#empty.hidden = this.#messages.length > 0;
    this.#list.hidden = this.#messages.length === 0;
    if (this.#messages.length === 0) this.#latest.hidden = true;
    else if (this.#follows) this.#toEnd();
    else this.#latest.hidden = this.#nearEnd;
  }

  /**
   * @param {Message} message
   * @param {number} index
   * @param {boolean} plays
   */
  #drawMessage(message, index, plays) {
    let view = this.#views.get(message.id);
    if (!view) {
      view = new MessageView(message);
      this.#views.set(message.id, view);
    }
    const there = this.#list.children[index];
    if (there !== view.element) this.#list.insertBefore(view.element, there ?? null);
    view.show(message, { last: index === this.#messages.length - 1, plays, playing: this.#playing });
  }

  /** @param {MouseEvent} event */
  #clicked({ target }) {
    const button = target instanceof Element ? target.closest("button") : null;
    const id = /** @type {HTMLElement | null | undefined} */ (button?.closest("li.message"))?.dataset.id;
    const message = this.#messages.find((each) => each.id === id);
    if (!button || !message) return;
    switch (button.dataset.action) {
      case "copy":
        return void copyFrom(button, message.text);
      case "copy-code":
        return void copyFrom(button, button.closest(".code")?.querySelector("code")?.textContent ?? "");
      case "retry":
      case "again":
        this.#scroller.focus({ preventScroll: true }); // the button goes with the answer
        return this.#actions.retry(message.id);
      case "play":
        return this.#actions.play(message);
      case "edit":
        return this.#edit(message, button);
    }
  }

  /**
   * @param {Message} message
   * @param {HTMLButtonElement} button  that was pressed
   */
  #edit({ id, text }, button) {
    const view = this.#views.get(id);
    const cancel = () => {
      view?.replaceWords(null);
      button.focus();
    };
    const send = (/** @type {string} */ changed) => {
      this.#scroller.focus({ preventScroll: true });
      this.#actions.edit(id, changed);
    };
    view?.replaceWords(messageEditor(text, { send, cancel }));
  }

  /** @param {EventTarget | null} target */
  #opened(target) {
    if (!(target instanceof HTMLDetailsElement) || !target.open) return;
    this.#follows = false;
    this.#reads = true;
    requestAnimationFrame(() => {
      target.scrollIntoView({ block: "nearest" });
      this.#latest.hidden = this.#nearEnd;
    });
  }

  get #nearEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  #scrolled() {
    this.#follows = this.#nearEnd && !this.#reads;
    if (this.#follows) this.#latest.hidden = true;
  }

  #toEnd() {
    this.#reads = false;
    this.#latest.hidden = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }
}
