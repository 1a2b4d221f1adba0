/** The choice of theme and text size, the same on all pages. `theme.js` applies what is stored when a page is opened. */

import { keep } from "../lib/storage.js";

/** @typedef {{attribute: "theme" | "textSize", stored: string, legend: string, choices: [string, string][]}} Choice */

/** @type {Choice} */
const THEME = {
  attribute: "theme",
  stored: "streamsrv.theme",
  legend: "Theme",
  choices: [
    ["", "System"],
    ["light", "Light"],
    ["dark", "Dark"],
    ["contrast", "High contrast"],
  ],
};
/** @type {Choice} */
const TEXT_SIZE = {
  attribute: "textSize",
  stored: "streamsrv.text-size",
  legend: "Text size",
  choices: [
    ["small", "Small"],
    ["", "Normal"],
    ["large", "Large"],
  ],
};

/**
 * Fill an element, as a popover of the page, with the choice of theme, and of text size where the page has one.
 *
 * @param {HTMLElement} container
 * @param {{textSize?: boolean}} [options]
 */
export function showThemeChoice(container, { textSize = false } = {}) {
  container.append(choiceView(THEME), ...(textSize ? [choiceView(TEXT_SIZE)] : []));
}

/** @param {Choice} choice */
function choiceView({ attribute, stored, legend, choices }) {
  const { dataset } = document.documentElement;
  const view = document.createElement("fieldset");
  view.appendChild(document.createElement("legend")).textContent = legend;
  const segments = view.appendChild(document.createElement("div"));
  segments.className = choices.length > 3 ? "segments pairs" : "segments";
  for (const [value, text] of choices) {
    const label = segments.appendChild(document.createElement("label"));
    const input = label.appendChild(document.createElement("input"));
    label.appendChild(document.createElement("span")).textContent = text;
    input.type = "radio";
    input.name = stored;
    input.checked = value === (dataset[attribute] ?? "");
    input.addEventListener("change", () => {
      if (value) dataset[attribute] = value;
      else delete dataset[attribute];
      keep("localStorage", stored, value);
    });
  }
  return view;
}
