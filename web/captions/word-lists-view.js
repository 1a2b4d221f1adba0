import { Emitter } from "../lib/index.js";
import { debounced } from "./debounce.js";
import { byId, make } from "../lib/elements.js";
import { remember, rememberedOf } from "./room-memory.js";
import { readReplacements, readVocabulary } from "./word-lists.js";

const TYPING_MS = 800;

/**
 * The vocabulary, which helps the recogniser, and the replacements, which correct what it writes. This browser remembers
 * them for the room.
 *
 * @extends {Emitter<{vocabulary: null, replacements: null}>}  what has changed
 */
export class WordListsView extends Emitter {
  #room;
  #vocabulary = byId("vocabulary", HTMLTextAreaElement);
  #replacements = byId("replacements", HTMLTextAreaElement);
  #takesVocabulary = true;
  #isEdited = false;

  /** @param {string} room */
  constructor(room) {
    super();
    this.#room = room;
    const { vocabulary, replacements } = rememberedOf(room);
    this.#vocabulary.value = vocabulary;
    this.#replacements.value = replacements;
    this.#isEdited = replacements.trim() !== "";
    this.#watch(this.#vocabulary, () => this.emit("vocabulary", null));
    this.#watch(this.#replacements, () => {
      this.#isEdited = true;
      this.emit("replacements", null);
    });
    this.#check();
  }

  /** @returns {string[]} for the recogniser; empty if that takes none */
  get keywords() {
    return this.#takesVocabulary ? readVocabulary(this.#vocabulary.value).keywords : [];
  }

  /** @returns {import("./word-lists.js").Replacement[] | undefined} undefined: those of the room stay */
  get replacements() {
    return this.#isEdited ? readReplacements(this.#replacements.value).replacements : undefined;
  }

  /**
   * Say what becomes of the vocabulary.
   *
   * @param {import("../lib/path.js").Capabilities} capabilities
   * @param {string | null} model  the chosen recogniser; null: the server's choice
   */
  offer({ recognizer, recognizers = [] }, model) {
    const name = model ?? recognizer ?? "";
    const chosen = recognizers.find((each) => each.name === name);
    const takers = recognizers.filter(({ keywords, lacks }) => keywords && !lacks).map((each) => each.name);
    this.#takesVocabulary = chosen?.keywords ?? false;
    const others = takers.length ? ` Those that can: ${takers.join(", ")}.` : "";
    byId("vocabulary-hint", HTMLElement).textContent = this.#takesVocabulary
      ? `Names and terms that ${name} should expect, one per line.`
      : `${name || "This recogniser"} can't use a vocabulary; the replacements below always work.${others}`;
  }

  /**
   * @param {HTMLTextAreaElement} field
   * @param {() => void} changed
   */
  #watch(field, changed) {
    const typed = debounced(() => {
      remember(this.#room, { vocabulary: this.#vocabulary.value, replacements: this.#replacements.value });
      this.#check();
      changed();
    }, TYPING_MS);
    field.addEventListener("input", () => typed.call());
    field.addEventListener("change", () => typed.flush());
    addEventListener("pagehide", () => typed.flush());
  }

  #check() {
    show("vocabulary-problems", readVocabulary(this.#vocabulary.value).problems);
    show("replacements-problems", readReplacements(this.#replacements.value).problems);
  }
}

/**
 * @param {string} id  of a list
 * @param {string[]} problems
 */
function show(id, problems) {
  byId(id, HTMLElement).replaceChildren(...problems.map((problem) => make("li", "", problem)));
}
