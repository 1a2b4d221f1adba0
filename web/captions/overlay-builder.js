/** The dialog in which an overlay is designed: its fields, a preview, and the address for OBS. Loaded at its first use. */

import { copyText } from "../lib/copy-text.js";
import { loadStyle } from "../lib/load-style.js";
import { keep, readKept } from "../lib/storage.js";
import { byId, make } from "../lib/elements.js";
import { showOverlay } from "./overlay.js";
import { overlayQuery, readOverlay } from "./overlay-options.js";

/** @typedef {import("./overlay-options.js").OverlayOptions} OverlayOptions */

const NAME = "streamsrv.captions.overlay"; // the last design, as a query
const SCREEN = 1920; // px of the preview's width, before it is made smaller
const TEXTS = ["font", "size", "lines", "color", "background", "opacity", "position", "align", "fade"];

export class OverlayBuilder {
  /** @type {OverlayBuilder | null} */
  static #only = null;
  #dialog = byId("overlay-builder", HTMLDialogElement);
  #fields = byId("overlay-fields", HTMLElement);
  #address = byId("overlay-address", HTMLInputElement);
  #preview = byId("overlay-preview", HTMLElement);
  #viewer;

  /** @param {URL} viewer  the address of the viewers' page */
  constructor(viewer) {
    this.#viewer = viewer;
    this.#fields.addEventListener("input", () => this.#build());
    this.#address.addEventListener("input", () => this.#read());
    byId("overlay-copy", HTMLButtonElement).addEventListener("click", (event) => this.#copy(event));
    byId("overlay-close", HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    const fit = () => {
      const screen = /** @type {HTMLElement} */ (this.#preview.parentElement);
      this.#preview.style.setProperty("--preview-scale", String(screen.clientWidth / SCREEN));
    };
    new ResizeObserver(fit).observe(this.#dialog);
    this.#fill(readOverlay(new URLSearchParams(readKept("localStorage", NAME) || "overlay=1")).options);
    this.#build();
  }

  /** @param {URL} viewer  the address of the viewers' page */
  static async open(viewer) {
    await loadStyle(new URL("./overlay-builder.css", import.meta.url));
    OverlayBuilder.#only ??= new OverlayBuilder(viewer);
    OverlayBuilder.#only.#dialog.showModal();
  }

  /** Make the address from the fields. */
  #build() {
    const { options, problems } = readOverlay(this.#entered);
    this.#show(options, problems);
    const address = new URL(this.#viewer);
    address.search = overlayQuery(options);
    this.#address.value = address.href;
    keep("localStorage", NAME, address.search);
  }

  /** Take over what somebody has typed or pasted as the address. */
  #read() {
    const typed = this.#address.value.trim();
    const query = typed.includes("?") ? typed.slice(typed.indexOf("?")).replace(/#.*/, "") : "";
    const { options, problems } = readOverlay(new URLSearchParams(query));
    if (!query) problems.push("This is not the address of an overlay: it has no “?overlay=1”.");
    this.#fill(options);
    this.#show(options, problems);
  }

  /** The fields as in an address. */
  get #entered() {
    const entered = new URLSearchParams();
    for (const name of TEXTS) {
      const value = this.#field(name).value.trim();
      if (value !== "") entered.set(name, value);
    }
    entered.set("names", byId("overlay-names", HTMLInputElement).checked ? "1" : "0");
    return entered;
  }

  /** @param {OverlayOptions} options */
  #fill({ names, size, color, background, ...others }) {
    byId("overlay-names", HTMLInputElement).checked = names;
    const texts = { ...others, size: size || "", color: `#${color}`, background: `#${background}` };
    for (const [name, value] of Object.entries(texts)) this.#field(name).value = String(value);
  }

  /** @param {string} name  of an option */
  #field(name) {
    const field = document.getElementById(`overlay-${name}`);
    if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) return field;
    throw new Error(`#overlay-${name} is no field`);
  }

  /**
   * @param {OverlayOptions} options
   * @param {string[]} problems
   */
  #show(options, problems) {
    showOverlay(this.#preview, options);
    byId("overlay-problems", HTMLElement).replaceChildren(...problems.map((problem) => make("li", "", problem)));
  }

  /** @param {Event} event */
  async #copy({ currentTarget }) {
    const button = /** @type {HTMLButtonElement} */ (currentTarget);
    button.textContent = (await copyText(this.#address.value)) ? "Copied" : "Couldn't copy";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  }
}
