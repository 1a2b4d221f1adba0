import { isPlainKey } from "../lib/plain-key.js";
import { notDone } from "./caption-problems.js";
import { byId, make } from "../lib/elements.js";
import { correct } from "./room-requests.js";

const FINAL = '.utterance[data-final="true"]';
const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

/**
 * Lets a speaker correct final captions: a click, or Enter on the one that the arrow keys have chosen, opens it; Enter
 * saves, Escape cancels. All of them are one stop of the Tab key.
 */
export class CaptionEditor {
  #room;
  #view;
  #notices;
  #text = byId("text", HTMLElement);
  /** @type {HTMLElement | null} */
  #stop = null;
  /** @type {HTMLFormElement | null} */
  #form = null;

  /**
   * @param {string} room
   * @param {import("./caption-view.js").CaptionView} view
   * @param {import("./notices.js").Notices} notices
   */
  constructor(room, view, notices) {
    this.#room = room;
    this.#view = view;
    this.#notices = notices;
    this.#text.addEventListener("click", (event) => {
      const element = finalAt(event.target);
      if (element && getSelection()?.isCollapsed !== false) this.#open(element);
    });
    this.#text.addEventListener("keydown", (event) => this.#press(event));
  }

  /** There is another final caption. */
  offer() {
    const all = this.#all();
    for (const element of all) {
      if (element.role === "button") continue;
      element.role = "button";
      element.title = "Correct this caption";
      element.tabIndex = -1;
    }
    if (!this.#text.contains(document.activeElement)) this.#stopAt(all.at(-1));
  }

  /** @returns {HTMLElement[]} */
  #all() {
    return [.../** @type {NodeListOf<HTMLElement>} */ (this.#text.querySelectorAll(FINAL))].filter((each) => !each.hidden);
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    const element = finalAt(event.target);
    if (!element || !isPlainKey(event)) return;
    const step = STEPS[/** @type {keyof typeof STEPS} */ (event.key)];
    if (event.key === "Enter" || event.key === " ") this.#open(element);
    else if (step) this.#go(element, step);
    else return;
    event.preventDefault();
  }

  /**
   * @param {HTMLElement} from
   * @param {number} step
   */
  #go(from, step) {
    const all = this.#all();
    const next = all[all.indexOf(from) + step];
    if (!next) return;
    this.#stopAt(next);
    next.focus();
  }

  /** @param {HTMLElement | undefined} element  the stop of the Tab key */
  #stopAt(element) {
    if (!element || element === this.#stop) return;
    if (this.#stop) this.#stop.tabIndex = -1;
    element.tabIndex = 0;
    this.#stop = element;
  }

  /** @param {HTMLElement} element */
  #open(element) {
    const utterance = this.#view.utteranceOf(element);
    if (!utterance) return;
    this.#form?.remove();
    this.#stopAt(element);
    const field = make("textarea", "");
    field.value = utterance.stable;
    field.maxLength = 5000;
    field.rows = Math.min(6, Math.ceil(utterance.stable.length / 50) || 1);
    field.dir = "auto";
    const save = make("button", "primary", "Save");
    const cancel = make("button", "secondary", "Cancel");
    cancel.type = "button";
    const label = make("label", "", "Correct this caption, or empty it to remove it", field);
    const form = make("form", "correction", label, make("div", "row", save, cancel));
    this.#form = form;
    const close = () => {
      form.remove();
      (element.isConnected && !element.hidden ? element : byId("captions", HTMLElement)).focus();
    };
    cancel.addEventListener("click", close);
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
      else if (event.key === "Enter") form.requestSubmit();
      else return;
      event.preventDefault();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#save(utterance.id, field, save, close);
    });
    element.parentElement?.after(form);
    field.focus();
  }

  /**
   * @param {string} id  of the caption
   * @param {HTMLTextAreaElement} field
   * @param {HTMLButtonElement} save
   * @param {() => void} close
   */
  async #save(id, field, save, close) {
    const text = field.value.replace(/\s+/g, " ").trim();
    this.#notices.hide("correction_failed");
    save.disabled = true;
    try {
      await correct(this.#room, id, text);
      close();
    } catch (error) {
      this.#notices.show(notDone("correction_failed", "The correction was not saved.", error));
      save.disabled = false;
    }
  }
}

/** @param {EventTarget | null} target */
function finalAt(target) {
  const element = target instanceof Element ? target.closest(FINAL) : null;
  return element instanceof HTMLElement ? element : null;
}
