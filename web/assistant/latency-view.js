/** Draws the latency of a turn: a strip beside its total, and a waterfall when opened. */

import { make, makeSvg } from "../lib/elements.js";
import { bars, inSeconds, ticks, totalMs } from "./waterfall.js";

/** @typedef {import("./waterfall.js").Bar} Bar */

const LABEL_WIDTH = 168;
const VALUE_WIDTH = 48;
const WIDEST = 560;
const PADDING = 24;
const ROW = 24;
const BAR = 12;

/**
 * @param {Record<string, number>} latency
 * @returns {HTMLElement}
 */
export function latencyView(latency) {
  const chart = bars(latency);
  const total = totalMs(chart);
  const reached = latency.played_ms === undefined ? "First audio sent" : "First sound";
  const summary = make("summary", "", strip(chart, total), `${reached} after ${inSeconds(total)}`);
  const details = make("details", "latency", summary);
  // Drawn when first opened, because its width is known only then and its text must not be scaled.
  const draw = () => details.children[1] ?? details.append(waterfall(chart, total, details.clientWidth - PADDING));
  details.addEventListener("toggle", draw);
  return details;
}

/**
 * @param {Bar[]} chart
 * @param {number} total
 */
function strip(chart, total) {
  const parts = chart.map(({ stage, fromMs, toMs }) =>
    makeSvg("rect", { class: `stage-${stage}`, x: fromMs, width: toMs - fromMs, height: 1 }),
  );
  const viewBox = `0 0 ${Math.max(1, total)} 1`;
  return makeSvg("svg", { class: "strip", viewBox, preserveAspectRatio: "none", "aria-hidden": "true" }, ...parts);
}

/**
 * @param {Bar[]} chart
 * @param {number} total
 * @param {number} available  px
 */
function waterfall(chart, total, available) {
  const fullWidth = Math.min(WIDEST, available);
  const times = ticks(total);
  const height = chart.length * ROW + 20;
  const span = fullWidth - LABEL_WIDTH - VALUE_WIDTH;
  const x = (/** @type {number} */ ms) => LABEL_WIDTH + (ms / (times.at(-1) ?? 1)) * span;
  const grid = times.flatMap((ms) => [
    makeSvg("line", { class: "grid", x1: x(ms), x2: x(ms), y1: 0, y2: height - 18 }),
    makeSvg("text", { x: x(ms), y: height - 4, "text-anchor": "middle" }, `${ms / 1000}`),
  ]);
  const rows = chart.flatMap(({ label, stage, fromMs, toMs }, i) => {
    const y = i * ROW + 6;
    const width = Math.max(2, x(toMs) - x(fromMs));
    return [
      makeSvg("text", { x: 0, y: y + 10 }, label),
      makeSvg("rect", { class: `stage-${stage}`, x: x(fromMs), y, width, height: BAR, rx: 3 }),
      makeSvg("text", { class: "value", x: fullWidth, y: y + 10, "text-anchor": "end" }, inSeconds(toMs)),
    ];
  });
  const described = chart.map(({ label, toMs }) => `${label} after ${inSeconds(toMs)}`).join(". ");
  const name = `Seconds after your last word. ${described}.`;
  return makeSvg(
    "svg",
    {
      class: "chart",
      width: fullWidth,
      height,
      viewBox: `0 0 ${fullWidth} ${height}`,
      role: "img",
      "aria-label": name,
    },
    ...grid,
    ...rows,
  );
}
