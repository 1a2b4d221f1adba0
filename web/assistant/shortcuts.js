/** Single keys that do something on the page. Pure. */

/** @typedef {"help" | "write" | "mute" | "talk" | "hangUp" | "new" | "interrupt"} Action */

/** @type {Record<string, Action>} by what the key writes, so that they are where they are on every keyboard */
const KEYS = { "?": "help", "/": "write", m: "mute", t: "talk", h: "hangUp", n: "new" };

/** Where a key writes or chooses something. */
const TAKES_KEYS = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable], dialog, [popover]:popover-open";

/**
 * @typedef {object} Press  a KeyboardEvent
 * @property {string} key
 * @property {boolean} ctrlKey
 * @property {boolean} altKey
 * @property {boolean} metaKey
 * @property {boolean} repeat
 * @property {boolean} isComposing
 * @property {boolean} defaultPrevented
 */

/**
 * Return what a key does. Escape always interrupts, unless it closes something; the others can be switched off.
 *
 * @param {Press} press
 * @param {Pick<Element, "closest"> | null} target  where it was pressed
 * @param {{isOn: boolean, isCovered: boolean}} state  `isCovered`: a dialog or a menu is open
 * @returns {Action | null}
 */
export function actionOf(press, target, { isOn, isCovered }) {
  const { key, ctrlKey, altKey, metaKey, repeat, isComposing, defaultPrevented } = press;
  if (isCovered || isComposing || repeat || defaultPrevented || ctrlKey || altKey || metaKey) return null;
  if (key === "Escape") return "interrupt";
  if (!isOn || target?.closest(TAKES_KEYS)) return null;
  return KEYS[key.toLowerCase()] ?? null;
}
