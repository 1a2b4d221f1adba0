import { keep } from "../lib/storage.js";
import { showThemeChoice } from "../style/theme-choice.js";
import { byId } from "../lib/elements.js";

const SCALES = [0.5, 0.65, 0.8, 1, 1.25, 1.5, 2, 2.5, 3];

/** The controls of text size and theme. The choices are stored in this browser, and apply from the start the next time. */
export function controlAppearance() {
  const root = document.documentElement;
  const smaller = byId("smaller", HTMLButtonElement);
  const larger = byId("larger", HTMLButtonElement);

  /** @param {number} steps */
  const resize = (steps) => {
    const held = Number(root.style.getPropertyValue("--scale")) || 1;
    const place = Math.min(SCALES.length - 1, Math.max(0, SCALES.indexOf(held) + steps));
    const scale = SCALES[place] ?? 1;
    root.style.setProperty("--scale", String(scale));
    if (steps) keep("localStorage", "streamsrv.captions.scale", String(scale));
    smaller.disabled = place === 0;
    larger.disabled = place === SCALES.length - 1;
  };
  smaller.addEventListener("click", () => resize(-1));
  larger.addEventListener("click", () => resize(1));
  resize(0);
  showThemeChoice(byId("theme-choice", HTMLElement));
}
