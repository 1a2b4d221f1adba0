import { gapBetween, textOf } from "./caption-text.js";
import { clockText } from "./clock-text.js";
import { make } from "../lib/elements.js";

/** @typedef {import("./caption-text.js").Utterance} Utterance */
/** @typedef {{element: HTMLElement, stable: Text, tentative: HTMLElement}} Shown */

const CORRECTED_MS = 1500; // how long a correction is marked

/**
 * Draws a `CaptionText`. Stable and tentative words differ in colour alone, so that a word which becomes stable does not
 * move the others.
 */
export class CaptionView {
  #text;
  #container;
  /** @type {Map<Utterance, Shown>} */
  #shown = new Map();
  #paragraphs = 0;
  #paragraph = make("p", "");

  /**
   * @param {import("./caption-text.js").CaptionText} text
   * @param {HTMLElement} container
   */
  constructor(text, container) {
    this.#text = text;
    this.#container = container;
  }

  /** @param {Utterance} utterance  of the text; has changed */
  update(utterance) {
    const { element, stable, tentative } = this.#shown.get(utterance) ?? this.#add(utterance);
    const isEmpty = !utterance.stable && !utterance.tentative;
    setText(stable, utterance.stable + gapBetween(utterance.stable, utterance.tentative));
    setText(tentative, utterance.tentative);
    element.dataset.final = String(utterance.final);
    element.hidden = isEmpty;
    const paragraph = element.parentElement;
    if (paragraph) paragraph.hidden = ![...paragraph.querySelectorAll(".utterance")].some((each) => !isHidden(each));
  }

  /**
   * Mark for a moment that a text was corrected.
   *
   * @param {Utterance} utterance
   */
  markCorrected(utterance) {
    const element = this.#shown.get(utterance)?.element;
    if (!element) return;
    element.dataset.corrected = "";
    setTimeout(() => delete element.dataset.corrected, CORRECTED_MS);
  }

  /** Remove every text, after the text was cleared. */
  clear() {
    this.#container.replaceChildren();
    this.#shown.clear();
    this.#paragraphs = 0;
  }

  /**
   * @param {Element} element  in the text
   * @returns {Utterance | null} what it shows
   */
  utteranceOf(element) {
    const shown = element.closest(".utterance");
    for (const [utterance, each] of this.#shown) if (each.element === shown) return utterance;
    return null;
  }

  /** @returns {string} what is shown, paragraph by paragraph */
  get plainText() {
    const lines = [];
    for (const { speaker, translatedTo, utterances } of this.#text.paragraphs) {
      const words = utterances.map(textOf).filter(Boolean).join(" ");
      if (words) lines.push(`${speaker ? `${speaker}: ` : ""}${translatedTo ? "[translated] " : ""}${words}`);
    }
    return lines.join("\n\n");
  }

  /**
   * @param {Utterance} utterance
   * @returns {Shown}
   */
  #add(utterance) {
    if (this.#text.paragraphs.length > this.#paragraphs) this.#addParagraph();
    const stable = document.createTextNode("");
    const tentative = make("span", "tentative");
    const element = make("span", "utterance", stable, tentative);
    this.#paragraph.append(element, " ");
    const shown = { element, stable, tentative };
    this.#shown.set(utterance, shown);
    return shown;
  }

  #addParagraph() {
    this.#paragraphs = this.#text.paragraphs.length;
    const shown = this.#text.paragraphs[this.#paragraphs - 1];
    const paragraph = make("p", shown?.restarted ? "restarted" : "");
    paragraph.dir = "auto";
    paragraph.append(make("span", "time", clockText(shown?.utterances[0]?.start ?? 0)), " ");
    if (shown?.speaker) paragraph.append(label("strong", "speaker", shown.speaker), " ");
    if (shown?.translatedTo) {
      paragraph.lang = shown.translatedTo;
      paragraph.append(label("span", "translated", "Translated"), " ");
    }
    this.#paragraph = paragraph;
    this.#container.append(paragraph);
  }
}

/**
 * @param {"strong" | "span"} tag
 * @param {string} className
 * @param {string} text  whose direction is not that of the captions
 */
function label(tag, className, text) {
  const element = make(tag, className, text);
  element.dir = "auto";
  return element;
}

/**
 * Set a text only if it differs, because the browser does work even for an equal text.
 *
 * @param {Node} node
 * @param {string} text
 */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Element} element */
function isHidden(element) {
  return element instanceof HTMLElement && element.hidden;
}
