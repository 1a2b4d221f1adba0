/**
 * Load a part of the page when it is first needed.
 *
 * @template Part
 * @param {() => Promise<Part>} load
 * @param {() => void} failed  is called each time it cannot be loaded; the next call tries again
 * @returns {(use: (part: Part) => void) => Promise<void>} uses the part, once it is there
 */
export function onDemand(load, failed) {
  /** @type {Promise<Part> | null} */
  let loading = null;
  return async (use) => {
    loading ??= load();
    const part = await loading.catch(() => null);
    if (part !== null) return use(part);
    loading = null;
    failed();
  };
}
