/** Draws the latencies of answers, one column each, of the stages that were passed. */

import { make, makeSvg } from "../lib/elements.js";
import { bars, inSeconds, ticks } from "../assistant/waterfall.js";
import { waitMs } from "./turn-metrics.js";

/** @typedef {import("./turn-metrics.js").Turn} Turn */

const HEIGHT = 180;
const TOP = 8;
const BOTTOM = 20;
const LEFT = 40;
const STEP = 26;
const WIDTH = 16;

/**
 * @param {Record<string, number>} latency
 * @returns {string[]} each stage and when it was reached
 */
export function stageNames(latency) {
  return bars(latency).map(({ label, toMs }) => `${label} ${inSeconds(toMs)}`);
}

/**
 * @param {readonly Turn[]} turns
 * @returns {HTMLElement[]} the chart and its legend
 */
export function latencyChart(turns) {
  const columns = turns.map((turn) => ({ turn, parts: bars(turn.latency) }));
  const highest = Math.max(1, ...turns.map(waitMs), ...columns.flatMap(({ parts }) => parts.map(({ toMs }) => toMs)));
  const times = ticks(highest);
  const top = times.at(-1) ?? 1;
  const width = LEFT + turns.length * STEP + 8;
  const y = (/** @type {number} */ ms) => TOP + (1 - ms / top) * (HEIGHT - TOP - BOTTOM);
  const grid = times.flatMap((ms) => [
    makeSvg("line", { class: "grid", x1: LEFT, x2: width, y1: y(ms), y2: y(ms) }),
    makeSvg("text", { x: LEFT - 6, y: y(ms) + 4, "text-anchor": "end" }, `${ms / 1000} s`),
  ]);
  const drawn = columns.flatMap(({ turn, parts }, i) => {
    const x = LEFT + i * STEP + (STEP - WIDTH) / 2;
    const number = makeSvg("text", { x: x + WIDTH / 2, y: HEIGHT - 5, "text-anchor": "middle" }, String(turn.number));
    const stack = parts.map(({ label, stage, fromMs, toMs }) => {
      const bar = { class: `stage-${stage}`, x, width: WIDTH, y: y(toMs), height: Math.max(0, y(fromMs) - y(toMs)) };
      return makeSvg("rect", bar, makeSvg("title", {}, `${label} ${inSeconds(toMs)}`));
    });
    return [...stack, number];
  });
  const name = `Seconds until each of ${turns.length} replies was heard. The table below has the figures.`;
  const size = { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}` };
  const chart = makeSvg("svg", { class: "latencies", role: "img", "aria-label": name, ...size }, ...grid, ...drawn);
  const box = make("div", "wide", chart);
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "Latency of the replies");
  const passed = new Map(columns.flatMap(({ parts }) => parts.map(({ stage, label }) => [stage, label])));
  const legend = [...passed].sort(([a], [b]) => a - b).map(([stage, label]) => make("span", `stage stage-${stage}`, label));
  return [box, make("p", "stages hint", ...legend)];
}
