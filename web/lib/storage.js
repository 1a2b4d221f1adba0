/** What a page keeps in the browser. Where site data is blocked nothing is kept, and everything else works. */

/**
 * @param {"localStorage" | "sessionStorage"} where  sessionStorage: only in this tab
 * @param {string} name
 * @returns {string} empty: nothing was kept
 */
export function readKept(where, name) {
  try {
    return globalThis[where].getItem(name) ?? "";
  } catch {
    return ""; // reading the property throws if site data is blocked
  }
}

/**
 * @param {"localStorage" | "sessionStorage"} where
 * @param {string} name
 * @param {string} value
 */
export function keep(where, name, value) {
  try {
    globalThis[where].setItem(name, value);
  } catch {
    // It is blocked or full: the value holds until the page is left.
  }
}
