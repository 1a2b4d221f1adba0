/** Reads and writes how an overlay looks: the fields of its address. Pure. */

/**
 * @typedef {object} OverlayOptions
 * @property {string} font  a generic family of `OVERLAY_FONTS`, or the name of an installed font
 * @property {number} size  px of the letters; 0: a share of the width
 * @property {string} color  of the letters, `rrggbb`
 * @property {string} background  `rrggbb`
 * @property {number} opacity  of the background, in percent
 * @property {number} lines
 * @property {string} position  one of `POSITIONS`
 * @property {string} align  one of `ALIGNMENTS`
 * @property {boolean} names  whether the speakers are named
 * @property {number} fade  seconds without words after which the text disappears; 0: never
 */

export const OVERLAY_FONTS = ["sans", "serif", "mono"];
export const POSITIONS = ["top", "middle", "bottom"];
export const ALIGNMENTS = ["left", "center", "right"];

/** @type {Readonly<OverlayOptions>} */
export const DEFAULT_OVERLAY = Object.freeze({
  font: "sans",
  size: 0,
  color: "ffffff",
  background: "000000",
  opacity: 72,
  lines: 2,
  position: "bottom",
  align: "center",
  names: false,
  fade: 10,
});

/** @typedef {{accepts: string, read: (text: string) => string | number | boolean | undefined}} Field  undefined: not accepted */

/** @type {Record<keyof OverlayOptions, Field>} */
const FIELDS = {
  font: { accepts: "the name of a font, up to 60 letters, digits, spaces and -", read: (text) => named(text) },
  size: { accepts: "8 to 400 px", read: (text) => between(text, 8, 400) },
  color: { accepts: "six hexadecimal digits, such as ffe14d", read: (text) => hexadecimal(text) },
  background: { accepts: "six hexadecimal digits, such as 000000", read: (text) => hexadecimal(text) },
  opacity: { accepts: "0 to 100 percent", read: (text) => between(text, 0, 100) },
  lines: { accepts: "1 to 10", read: (text) => (Number.isInteger(Number(text)) ? between(text, 1, 10) : undefined) },
  position: { accepts: POSITIONS.join(", "), read: (text) => oneOf(text, POSITIONS) },
  align: { accepts: ALIGNMENTS.join(", "), read: (text) => oneOf(text, ALIGNMENTS) },
  names: { accepts: "0 or 1", read: (text) => (/^[01]$/.test(text) ? text === "1" : undefined) },
  fade: { accepts: "0 to 600 seconds", read: (text) => between(text, 0, 600) },
};

/**
 * @param {URLSearchParams} fields  of the address
 * @returns {{options: OverlayOptions, problems: string[]}} the defaults in place of what is not accepted, which `problems` names
 */
export function readOverlay(fields) {
  const options = { ...DEFAULT_OVERLAY };
  const problems = [];
  for (const name of new Set(fields.keys())) {
    const values = fields.getAll(name);
    const text = (values[0] ?? "").trim();
    if (values.length > 1) problems.push(`"${name}" is given ${values.length} times: the first one is used.`);
    if (name === "overlay") {
      if (text !== "1") problems.push(`"overlay=${text}" is not accepted: write overlay=1.`);
    } else if (isOption(name)) {
      const value = FIELDS[name].read(text);
      if (value === undefined) problems.push(`"${name}=${text}" is not accepted: ${FIELDS[name].accepts}.`);
      else Object.assign(options, { [name]: value });
    } else {
      problems.push(`"${name}" is unknown; known are ${Object.keys(FIELDS).join(", ")}.`);
    }
  }
  return { options, problems };
}

/**
 * @param {OverlayOptions} options
 * @returns {string} the query of the overlay's address, without what is as usual
 */
export function overlayQuery(options) {
  const fields = new URLSearchParams({ overlay: "1" });
  for (const name of /** @type {(keyof OverlayOptions)[]} */ (Object.keys(FIELDS))) {
    const value = options[name];
    if (value !== DEFAULT_OVERLAY[name]) fields.set(name, typeof value === "boolean" ? String(Number(value)) : String(value));
  }
  return `?${fields}`;
}

/**
 * @param {OverlayOptions} options
 * @returns {Record<string, string>} custom properties of the style sheet
 */
export function overlayStyle({ font, size, color, background, opacity, lines, align }) {
  return {
    "--overlay-font": FAMILIES[font] ?? `"${font}", ${FAMILIES["sans"]}`,
    ...(size ? { "--size": `${size}px` } : {}),
    "--lines": String(lines),
    "--text": `#${color}`,
    "--tentative": `color-mix(in srgb, #${color} 82%, #${background})`,
    "--overlay-background": `color-mix(in srgb, #${background} ${opacity}%, transparent)`,
    "--overlay-align": align,
  };
}

/** @type {Record<string, string>} */
const FAMILIES = {
  sans: 'ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif',
  serif: 'ui-serif, Georgia, "Times New Roman", "Noto Serif", serif',
  mono: 'ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace',
};

/**
 * @param {string} name
 * @returns {name is keyof OverlayOptions}
 */
function isOption(name) {
  return Object.hasOwn(FIELDS, name);
}

/** @param {string} text */
function named(text) {
  return /^[\p{L}\p{N}][\p{L}\p{N} -]{0,59}$/u.test(text) ? text : undefined;
}

/** @param {string} text */
function hexadecimal(text) {
  const digits = text.replace(/^#/, "").toLowerCase();
  return /^[0-9a-f]{6}$/.test(digits) ? digits : undefined;
}

/**
 * @param {string} text
 * @param {number} least
 * @param {number} most
 */
function between(text, least, most) {
  const value = Number(text);
  return text !== "" && value >= least && value <= most ? value : undefined;
}

/**
 * @param {string} text
 * @param {readonly string[]} known
 */
function oneOf(text, known) {
  return known.includes(text) ? text : undefined;
}
