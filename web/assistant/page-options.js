/** What the user chose for this page alone, stored in this browser. The choices for the session are in preferences.js. */

import { keep, readKept } from "../lib/storage.js";

/**
 * @typedef {object} PageOptions
 * @property {boolean} shortcuts  whether single keys do something
 * @property {boolean} sounds  whether a sound tells that the conversation begins and ends
 * @property {boolean} turnSound  whether a sound tells that the user was heard
 */

/**
 * The sound at the end of a turn is off: it comes just before the answer, which tells the same, and people with a
 * loudspeaker would hear it in every pause.
 *
 * @type {PageOptions}
 */
const DEFAULTS = { shortcuts: true, sounds: true, turnSound: false };
const NAME = "streamsrv.page";

/** @returns {PageOptions} */
export function readPageOptions() {
  try {
    const kept = JSON.parse(readKept("localStorage", NAME) || "{}");
    return { ...DEFAULTS, ...kept };
  } catch {
    return { ...DEFAULTS }; // invalid content
  }
}

/** @param {Partial<PageOptions>} changes */
export function keepPageOptions(changes) {
  keep("localStorage", NAME, JSON.stringify({ ...readPageOptions(), ...changes }));
}
