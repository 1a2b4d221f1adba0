import { Emitter } from "../lib/index.js";
import { debounced } from "./debounce.js";
import { byId } from "../lib/elements.js";
import { remember, rememberedOf } from "./room-memory.js";

const TYPING_MS = 600;

/**
 * The title of the captions, the name of the speaker, and whether they are translated. Viewers get them while they are
 * typed, and this browser remembers them.
 *
 * @extends {Emitter<{change: null}>}
 */
export class RoomDetails extends Emitter {
  #room;
  #title = byId("caption-title", HTMLInputElement);
  #speaker = byId("speaker", HTMLInputElement);
  #translate = byId("translate", HTMLSelectElement);

  /** @param {string} room */
  constructor(room) {
    super();
    this.#room = room;
    const { title, speaker } = rememberedOf(room);
    this.#title.value = title;
    this.#speaker.value = speaker;
    const typed = debounced(() => this.#changed(), TYPING_MS);
    for (const field of [this.#title, this.#speaker]) {
      field.addEventListener("input", () => typed.call());
      field.addEventListener("change", () => typed.flush());
    }
    this.#translate.addEventListener("change", () => this.#changed());
    addEventListener("pagehide", () => typed.flush());
  }

  /** @returns {{room: string, title: string, speaker: string, translate: "en" | null}} */
  get captions() {
    return {
      room: this.#room,
      title: this.#title.value.trim(),
      speaker: this.#speaker.value.trim(),
      translate: this.#translate.value === "en" ? "en" : null,
    };
  }

  /** @param {string} title  that the room has already; what was typed here comes first */
  suggestTitle(title) {
    if (!this.#title.value && document.activeElement !== this.#title) this.#title.value = title;
  }

  /** @param {boolean} canTranslate */
  offerTranslation(canTranslate) {
    byId("translation", HTMLElement).hidden = !canTranslate;
  }

  #changed() {
    remember(this.#room, { title: this.#title.value, speaker: this.#speaker.value });
    this.emit("change", null);
  }
}
