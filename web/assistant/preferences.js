/** What the user chose, kept in this browser; the key only in this tab. */

/** @typedef {import("../lib/session-options.js").VoiceSessionOptions} VoiceSessionOptions */

const NAME = "streamsrv.assistant";
const KEY = "streamsrv.key";

/** @returns {Partial<VoiceSessionOptions>} */
export function readPreferences() {
  try {
    const kept = JSON.parse(localStorage.getItem(NAME) ?? "{}");
    return typeof kept === "object" && kept !== null ? kept : {};
  } catch {
    return {}; // written by something else, or storage is off: the defaults are good
  }
}

/** @param {Partial<VoiceSessionOptions>} changes */
export function keepPreferences(changes) {
  localStorage.setItem(NAME, JSON.stringify({ ...readPreferences(), ...changes }));
}

export function readKey() {
  return sessionStorage.getItem(KEY) ?? "";
}

/** @param {string} key */
export function keepKey(key) {
  sessionStorage.setItem(KEY, key);
}
