/** @type {Map<string, Promise<void>>} */
const loaded = new Map();

/**
 * Load the style sheet of a part of the page that is loaded on demand.
 *
 * @param {URL} url  `new URL("./name.css", import.meta.url)`
 * @returns {Promise<void>} once it applies, or cannot be had: the part works without it
 */
export function loadStyle(url) {
  const known = loaded.get(url.href);
  if (known) return known;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = url.href;
  const applies = new Promise((/** @type {(value: void) => void} */ resolve) => {
    link.onload = link.onerror = () => resolve();
  });
  loaded.set(url.href, applies);
  document.head.append(link);
  return applies;
}
