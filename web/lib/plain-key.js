/**
 * Whether a key is pressed alone or with Shift. With Ctrl, Alt or Meta it is the browser's: Ctrl and + enlarge the page.
 *
 * @param {{ctrlKey: boolean, altKey: boolean, metaKey: boolean}} event
 */
export function isPlainKey({ ctrlKey, altKey, metaKey }) {
  return !ctrlKey && !altKey && !metaKey;
}
