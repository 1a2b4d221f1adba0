/** How the captions are set: the font, the distances of letters and lines, times. Stored in this browser. */

import { keep, readKept } from "../lib/storage.js";
import { byId } from "../lib/elements.js";

const NAME = "streamsrv.captions.reading";

/** Values of custom properties, by the choice in the page; `""` is the style sheet's own. */
const CHOICES = {
  font: {
    property: "--reading-font",
    values: {
      wide: "Verdana, 'DejaVu Sans', Tahoma, sans-serif",
      informal: "'Comic Sans MS', 'Comic Neue', 'Chalkboard SE', cursive",
      dyslexic: "OpenDyslexic, 'Atkinson Hyperlegible', Lexend, Verdana, 'DejaVu Sans', sans-serif",
      serif: "ui-serif, Georgia, 'Noto Serif', serif",
    },
  },
  letters: { property: "--letter-spacing", values: { wide: "0.06em", wider: "0.12em" } },
  lines: { property: "--line-height", values: { wide: "1.7", wider: "2.1" } },
};

/** @typedef {keyof typeof CHOICES} ChoiceName */

/** The controls of the text's appearance beside its size and colours. */
export function controlReading() {
  const chosen = readChosen();
  for (const name of /** @type {ChoiceName[]} */ (Object.keys(CHOICES))) {
    const select = byId(`reading-${name}`, HTMLSelectElement);
    select.value = chosen[name] ?? "";
    if (select.selectedIndex < 0) select.value = "";
    apply(name, select.value);
    select.addEventListener("change", () => {
      chosen[name] = select.value;
      apply(name, select.value);
      keep("localStorage", NAME, JSON.stringify(chosen));
    });
  }
  const times = byId("times", HTMLInputElement);
  times.checked = chosen["times"] === "1";
  document.documentElement.toggleAttribute("data-times", times.checked);
  times.addEventListener("change", () => {
    chosen["times"] = times.checked ? "1" : "";
    document.documentElement.toggleAttribute("data-times", times.checked);
    keep("localStorage", NAME, JSON.stringify(chosen));
  });
}

/**
 * @param {ChoiceName} name
 * @param {string} value
 */
function apply(name, value) {
  const { property, values } = CHOICES[name];
  const style = /** @type {Record<string, string>} */ (values)[value] ?? "";
  document.documentElement.style.setProperty(property, style);
}

/** @returns {Record<string, string>} */
function readChosen() {
  try {
    const kept = JSON.parse(readKept("localStorage", NAME) || "{}");
    return kept && typeof kept === "object" ? kept : {};
  } catch {
    return {}; // invalid content
  }
}
