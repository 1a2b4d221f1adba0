/** Listens for single keys, and does what they stand for. */

import { readPageOptions } from "./page-options.js";
import { actionOf } from "./shortcuts.js";

/** @param {Record<import("./shortcuts.js").Action, () => void>} actions */
export function followKeys(actions) {
  document.addEventListener("keydown", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const isCovered = document.querySelector("dialog[open], :popover-open") !== null;
    const action = actionOf(event, target, { isOn: readPageOptions().shortcuts, isCovered });
    if (!action) return;
    if (action !== "interrupt") event.preventDefault(); // else the key is written into the field that gets the focus
    actions[action]();
  });
}
