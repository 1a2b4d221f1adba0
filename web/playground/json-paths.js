/** Reads, changes and compares JSON objects by the paths of their fields. Pure. */

/** @typedef {{[name: string]: any}} Json */
/** @typedef {{path: string, before: unknown, after: unknown}} Difference */

/** @param {unknown} value @returns {value is Json} */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * @param {Json} object
 * @param {string} path  names with dots between them
 * @returns {any} undefined: there is none
 */
export function valueAt(object, path) {
  /** @type {any} */
  let value = object;
  for (const name of path.split(".")) value = isObject(value) ? value[name] : undefined;
  return value;
}

/**
 * @param {Json} object
 * @param {string} path
 * @param {unknown} value  undefined removes the field, and objects that are empty then
 * @returns {Json} a changed copy
 */
export function withValue(object, path, value) {
  if (value === undefined && valueAt(object, path) === undefined) return object;
  const [name = "", ...rest] = path.split(".");
  const below = rest.length ? withValue(isObject(object[name]) ? object[name] : {}, rest.join("."), value) : value;
  const changed = { ...object, [name]: below };
  if (below === undefined || (rest.length && isObject(below) && Object.keys(below).length === 0)) delete changed[name];
  return changed;
}

/**
 * Merge an update as the server does: objects are merged, everything else is replaced. An object with another `type`
 * replaces the one before.
 *
 * @param {Json} object
 * @param {Json} update
 * @returns {Json}
 */
export function merged(object, update) {
  const result = { ...object };
  for (const [name, value] of Object.entries(update)) {
    const held = result[name];
    const same = isObject(held) && isObject(value) && (value.type ?? held.type) === held.type;
    result[name] = isObject(value) ? merged(same ? held : {}, value) : value;
  }
  return result;
}

/**
 * @param {unknown} before
 * @param {unknown} after
 * @param {string} [path]
 * @returns {Difference[]} one for each field that differs; lists are compared as a whole
 */
export function differences(before, after, path = "") {
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) => differences(before[name], after[name], path ? `${path}.${name}` : name));
  }
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ path, before, after }];
}

/**
 * What was asked for and is otherwise in the answer.
 *
 * @param {Json} asked
 * @param {Json} answered
 * @param {string} [path]
 * @returns {Difference[]} `before` is what was asked for
 */
export function notGranted(asked, answered, path = "") {
  return Object.entries(asked).flatMap(([name, value]) => {
    const below = path ? `${path}.${name}` : name;
    const held = isObject(answered) ? answered[name] : undefined;
    if (isObject(value) && isObject(held)) return notGranted(value, held, below);
    if (value === null || JSON.stringify(value) === JSON.stringify(held)) return []; // null means a default
    return [{ path: below, before: value, after: held }];
  });
}

/** @param {unknown} value @returns {string} short, for people */
export function inWords(value) {
  if (value === undefined) return "(not there)";
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
