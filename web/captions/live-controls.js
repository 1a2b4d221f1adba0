import { notDone } from "./caption-problems.js";
import { byId } from "../lib/elements.js";
import { clear } from "./room-requests.js";

/** The buttons of a speaker who is live: mute and pause. */
export class LiveControls {
  #place = byId("live-controls", HTMLElement);
  #mute = byId("mute", HTMLButtonElement);
  #pause = byId("pause", HTMLButtonElement);
  /** @type {import("./speaking.js").Speaking | null} */
  #speaking = null;

  constructor() {
    this.#mute.addEventListener("click", () => this.#speaking?.setMuted(toggle(this.#mute)));
    this.#pause.addEventListener("click", () => this.#speaking?.setPaused(toggle(this.#pause)));
  }

  /** Whether something keeps the source from being heard on purpose. */
  get isHeld() {
    return isPressed(this.#mute) || isPressed(this.#pause);
  }

  get isPaused() {
    return isPressed(this.#pause);
  }

  /** @param {import("./speaking.js").Speaking | null} speaking  null: nobody speaks */
  control(speaking) {
    this.#speaking = speaking;
    this.#place.hidden = speaking === null;
    for (const button of [this.#mute, this.#pause]) button.setAttribute("aria-pressed", "false");
  }
}

/**
 * Removes all captions of a room, after a question.
 *
 * @param {string} room
 * @param {import("./notices.js").Notices} notices
 */
export function controlClearing(room, notices) {
  const dialog = byId("clear-dialog", HTMLDialogElement);
  byId("clear", HTMLButtonElement).addEventListener("click", () => dialog.showModal());
  byId("clear-cancel", HTMLButtonElement).addEventListener("click", () => dialog.close());
  byId("clear-confirm", HTMLButtonElement).addEventListener("click", async () => {
    dialog.close();
    notices.hide("clear_failed");
    try {
      await clear(room);
    } catch (error) {
      notices.show(notDone("clear_failed", "The captions were not cleared.", error));
    }
  });
}

/** @param {HTMLButtonElement} button */
function isPressed(button) {
  return button.getAttribute("aria-pressed") === "true";
}

/**
 * @param {HTMLButtonElement} button
 * @returns {boolean} whether it is pressed now
 */
function toggle(button) {
  const pressed = !isPressed(button);
  button.setAttribute("aria-pressed", String(pressed));
  return pressed;
}
