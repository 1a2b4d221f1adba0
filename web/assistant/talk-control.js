/** The talk button: its look, its label and its action. */

import { byId } from "../lib/elements.js";
import { readPageOptions } from "./page-options.js";
import { isOffline, stateWords } from "./state-words.js";

/** @typedef {import("../lib/activity.js").Activity} Activity */

const SPACE_HAS_A_MEANING =
  "input:not([name=mode]), textarea, select, button:focus-visible, summary, dialog, [popover]:popover-open";
const STOPPED_BY_CLICK = ["speaking", "thinking", "replying", "held"];

export class TalkControl {
  #button = byId("talk", HTMLButtonElement);
  #label = byId("talk-label", HTMLElement);
  #text = byId("activity", HTMLElement);
  #session;
  #start;
  #level = 0;
  #drawing = false;

  /**
   * @param {import("../lib/voice-session.js").VoiceSession} session
   * @param {() => void} start  starts the session
   */
  constructor(session, start) {
    this.#session = session;
    this.#start = start;
    this.show("idle");
    session.on("level", (level) => this.#meter(level));
    this.#button.addEventListener("pointerdown", (event) => this.#down(event));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
      this.#button.addEventListener(type, () => this.#up());
    }
    this.#button.addEventListener("click", (event) => this.#clicked(event));
    this.#button.addEventListener("contextmenu", (event) => event.preventDefault());
    document.addEventListener("keydown", (event) => this.#key(event, true));
    document.addEventListener("keyup", (event) => this.#key(event, false));
    window.addEventListener("blur", () => this.#up());
    // Otherwise the focus returns to the button that opened the dialog, and the space bar opens it again.
    byId("settings", HTMLDialogElement).addEventListener("close", () => this.#pushes && this.#button.focus());
  }

  /** @param {Activity} activity */
  show(activity) {
    const { options, path, listens } = this.#session;
    const { mode } = options;
    const { label, text } = stateWords(activity, mode, path, listens);
    this.#button.dataset.activity = activity;
    this.#button.dataset.mode = mode;
    this.#label.textContent = label;
    this.#text.textContent = text;
    this.#button.setAttribute("aria-busy", String(activity === "connecting"));
  }

  /** What is shown. */
  get activity() {
    return /** @type {Activity} */ (this.#button.dataset.activity);
  }

  /** What is said below the button. */
  get text() {
    return this.#text.textContent ?? "";
  }

  /** The mode or the path changed: the same activity may mean something else. */
  refresh() {
    this.show(this.activity);
  }

  /** Do what the button does, if that lets the user talk. */
  begin() {
    if (this.activity === "idle" || (this.activity === "paused" && !this.#pushes)) this.#button.click();
  }

  get #offline() {
    return isOffline(this.activity, this.#session.path);
  }

  get #pushes() {
    return this.#session.options.mode === "push-to-talk";
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (!this.#pushes || event.button !== 0 || this.#offline) return;
    this.#button.setPointerCapture(event.pointerId);
    this.#press();
  }

  #press() {
    if (!this.#session.active) this.#start();
    this.#button.dataset.pressed = "true";
    this.#session.press();
  }

  #up() {
    delete this.#button.dataset.pressed;
    this.#session.release();
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const session = this.#session;
    if (!session.active) return this.#start();
    if (this.#pushes) void session.unlock(); // a release counts as a tap where a touch does not
    const activity = this.#button.dataset.activity;
    if (activity === "connecting") return; // the second press of a double click
    if (activity === "reconnecting" || this.#offline) return session.retry();
    if (this.#pushes) {
      // Assistive technology clicks without a pointer and cannot hold: a click starts or ends a turn.
      if (event.detail === 0) return this.#button.dataset.pressed ? this.#up() : this.#press();
      return;
    }
    if (STOPPED_BY_CLICK.includes(activity ?? "")) session.interrupt();
    else session.setMuted(activity !== "paused");
  }

  /**
   * The space bar talks while it is held, unless it has a meaning at the focus: in a text field, and on another button
   * that was reached with the keyboard.
   *
   * @param {KeyboardEvent} event
   * @param {boolean} down
   */
  #key(event, down) {
    const target = event.target instanceof Element ? event.target : document.body;
    if (event.key === "Enter" && event.repeat && target === this.#button) event.preventDefault(); // one press, one click
    if (event.key !== " " || !this.#pushes) return;
    if (target !== this.#button && (target.closest(SPACE_HAS_A_MEANING) || !readPageOptions().shortcuts)) return;
    event.preventDefault();
    if (event.repeat) return;
    if (down) this.#press();
    else this.#up();
  }

  /** @param {number} level */
  #meter(level) {
    this.#level = Math.max(level, this.#level * 0.85);
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#button.style.setProperty("--level", this.#level.toFixed(3));
    });
  }
}
