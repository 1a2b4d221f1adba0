/** The page as an overlay of a video: the last lines alone, as its address says. */

import { byId } from "../lib/elements.js";
import { overlayStyle, readOverlay } from "./overlay-options.js";

/** Shows the text as the address says, and makes it disappear when nothing is said. */
export class Overlay {
  #fadeMs;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #fade;

  /** @param {URLSearchParams} fields  of the address */
  constructor(fields) {
    const { options, problems } = readOverlay(fields);
    if (problems.length) console.warn(`The overlay's address has mistakes:\n${problems.join("\n")}`);
    this.#fadeMs = options.fade * 1000;
    showOverlay(document.documentElement, options);
  }

  /** A word was said. */
  wake() {
    const root = document.documentElement;
    delete root.dataset.silent;
    clearTimeout(this.#fade);
    if (this.#fadeMs) this.#fade = setTimeout(() => (root.dataset.silent = ""), this.#fadeMs);
  }

  /** @param {import("../lib/problems.js").Problem | null} problem  why there are no captions */
  tell(problem) {
    const place = byId("overlay-problem", HTMLElement);
    place.hidden = problem === null;
    if (problem === null) return;
    const why =
      problem.code === "key_required"
        ? "This server needs an API key, which an overlay can't give. Its administrator can set captions_public = true."
        : problem.message;
    if (place.textContent !== why) console.warn(`The overlay is blank: ${why}`);
    place.textContent = why;
  }
}

/**
 * @param {HTMLElement} element  an overlay: its style sheet reads these
 * @param {import("./overlay-options.js").OverlayOptions} options
 */
export function showOverlay(element, options) {
  element.dataset.position = options.position;
  element.toggleAttribute("data-names", options.names);
  element.style.setProperty("--size", ""); // back to the style sheet's, unless it is given
  for (const [name, value] of Object.entries(overlayStyle(options))) element.style.setProperty(name, value);
}
