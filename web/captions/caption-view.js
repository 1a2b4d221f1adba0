import { gapBetween } from "./caption-text.js";

/** @typedef {import("./caption-text.js").Utterance} Utterance */
/** @typedef {{element: HTMLElement, stable: Text, tentative: HTMLElement}} Shown */

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
   * @param {Utterance} utterance
   * @returns {Shown}
   */
  #add(utterance) {
    if (this.#text.paragraphs.length > this.#paragraphs) this.#addParagraph();
    const paragraph = /** @type {HTMLElement} */ (this.#container.lastElementChild);
    const element = document.createElement("span");
    element.className = "utterance";
    const stable = document.createTextNode("");
    const tentative = document.createElement("span");
    tentative.className = "tentative";
    element.append(stable, tentative);
    paragraph.append(element, " ");
    const shown = { element, stable, tentative };
    this.#shown.set(utterance, shown);
    return shown;
  }

  #addParagraph() {
    this.#paragraphs = this.#text.paragraphs.length;
    const shown = this.#text.paragraphs[this.#paragraphs - 1];
    const paragraph = document.createElement("p");
    paragraph.dir = "auto";
    if (shown?.restarted) paragraph.className = "restarted";
    if (shown?.speaker) paragraph.append(labelled("strong", "speaker", shown.speaker), " ");
    if (shown?.translatedTo) {
      paragraph.lang = shown.translatedTo;
      paragraph.append(labelled("span", "translated", "Translated"), " ");
    }
    this.#container.append(paragraph);
  }
}

/**
 * @param {string} tag
 * @param {string} className
 * @param {string} text
 */
function labelled(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  element.dir = "auto"; // of its own: it does not decide the direction of the paragraph
  element.textContent = text;
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
