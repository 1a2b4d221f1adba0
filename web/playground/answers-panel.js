import { inDollars } from "../assistant/dollars.js";
import { byId, make } from "../lib/elements.js";
import { eachFrame } from "./frames.js";
import { latencyChart, stageNames } from "./latency-chart.js";
import { endingInWords, waitMs } from "./turn-metrics.js";

/** @typedef {import("./turn-metrics.js").Turn} Turn */

const MAX_SHOWN = 60; // newest answers in the chart and the table

const COLUMNS = ["Reply", "Status", "Waited", "Measured by", "Stages", "End of turn", "Tokens in (cached) / out", "Cost", "Model"];

/** The answers in numbers: a chart of their latencies, a table of everything, and the sums. */
export class AnswersPanel {
  #metrics;
  /** Something has changed. */
  changed = eachFrame(() => this.#draw());

  /** @param {import("./turn-metrics.js").TurnMetrics} metrics */
  constructor(metrics) {
    this.#metrics = metrics;
  }

  #draw() {
    const { turns, totals } = this.#metrics;
    byId("totals", HTMLElement).textContent = totals.count === 0 ? "No replies yet." : inWords(totals);
    if (byId("answers", HTMLElement).hidden) return;
    const shown = turns.slice(-MAX_SHOWN);
    byId("chart", HTMLElement).replaceChildren(...(shown.some((turn) => waitMs(turn) > 0) ? latencyChart(shown) : []));
    const table = byId("answers-table", HTMLElement);
    table.hidden = shown.length === 0;
    table.replaceChildren(make("table", "", head(), make("tbody", "", ...[...shown].reverse().map(row))));
  }
}

/** @param {import("./turn-metrics.js").Totals} totals */
function inWords({ count, input, cached, output, usd, medianMs }) {
  const parts = [`${count} ${count === 1 ? "reply" : "replies"}`];
  if (medianMs !== null) parts.push(`median wait ${(medianMs / 1000).toFixed(2)} s`);
  if (input || output) parts.push(`${input} tokens in (${cached} cached), ${output} out`);
  if (usd !== null) parts.push(inDollars({ usd }));
  return `${parts.join(" · ")}`;
}

function head() {
  const cells = COLUMNS.map((name) => Object.assign(make("th", "", name), { scope: "col" }));
  return make("thead", "", make("tr", "", ...cells));
}

/** @param {Turn} turn */
function row(turn) {
  const { number, status, latency, isSpoken, ending, tokens, cost, model, fallback } = turn;
  const wait = waitMs(turn);
  const cells = [
    status,
    wait > 0 ? `${(wait / 1000).toFixed(2)} s` : "–",
    isSpoken ? "server, from the end of speech" : "this page, from the request",
    stageNames(latency).join(", ") || "–",
    endingInWords(ending) || "–",
    tokens ? `${tokens.input} (${tokens.cached}) / ${tokens.output}` : "–",
    cost ? inDollars(cost) : "–",
    fallback ? `${model}, in place of ${fallback.from}: ${fallback.reason}` : model || "–",
  ];
  const first = Object.assign(make("th", "", String(number)), { scope: "row" });
  return make("tr", "", first, ...cells.map((text) => make("td", "", text)));
}
