/** Writes what an answer cost. Pure. */

/**
 * @param {import("../lib/transcript.js").Cost} cost
 * @returns {string}
 */
export function inDollars({ usd, estimated, unpriced }) {
  if (unpriced) return usd > 0 ? `more than ${amount(usd)}` : "price not known";
  return `${estimated && usd > 0 ? "about " : ""}${amount(usd)}`;
}

/** @param {number} usd */
function amount(usd) {
  if (usd === 0) return "free";
  if (usd < 0.000001) return "less than $0.000001";
  return `$${usd < 0.01 ? Number(usd.toPrecision(2)).toFixed(6).replace(/0+$/, "") : usd.toFixed(2)}`;
}
