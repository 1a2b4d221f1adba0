/** Stores the user's choices in this browser; the key only in this tab. */

/** @typedef {import("../lib/session-options.js").VoiceSessionOptions} VoiceSessionOptions */

const NAME = "streamsrv.assistant";
const KEY = "streamsrv.key";

import { keep, readKept } from "../lib/storage.js";

/** @returns {Partial<VoiceSessionOptions>} */
export function readPreferences() {
  try {
    const kept = JSON.parse(readKept("localStorage", NAME) || "{}");
    return typeof kept === "object" && kept !== null ? kept : {};
  } catch {
    return {}; // invalid content: use the defaults
  }
}

/** @param {Partial<VoiceSessionOptions>} changes */
export function keepPreferences(changes) {
  keep("localStorage", NAME, JSON.stringify({ ...readPreferences(), ...changes }));
}

export function readKey() {
  return readKept("sessionStorage", KEY);
}

/** @param {string} key */
export function keepKey(key) {
  keep("sessionStorage", KEY, key);
}
