/** Draws the sound of both sides. */

/** @typedef {import("./envelope.js").Envelope} Envelope */
/** @typedef {import("./timeline.js").Timeline} Timeline */
/** @typedef {{fromMs: number, toMs: number, nowMs: number}} View */
/** @typedef {(ms: number) => number} Scale  px of a time */

const AXIS = 16; // px, below the lanes
const BAR = 2; // px of a column

const COLOURS = ["--accent", "--warm", "--tint", "--warm-tint", "--danger", "--text", "--quiet", "--line"];

/**
 * @param {HTMLElement} element
 * @returns {Record<string, string>} the colours of the theme, as a canvas can read them, by the names of their variables
 */
export function coloursOf(element) {
  const colours = COLOURS.map((name) => {
    element.style.color = `var(${name})`;
    return [name, getComputedStyle(element).color];
  });
  element.style.color = "";
  return Object.fromEntries(colours);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {View} view
 * @param {[Envelope, Envelope]} lanes  the user's, above; the server's, below
 * @param {Timeline} timeline
 * @param {Record<string, string>} colours  of `coloursOf`
 */
export function drawSound(canvas, view, lanes, timeline, colours) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  if (!context || width === 0) return;
  const colour = (/** @type {string} */ name) => colours[name] ?? "";
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const x = (/** @type {number} */ ms) => ((ms - view.fromMs) / (view.toMs - view.fromMs)) * width;
  const lane = (height - AXIS) / 2;
  drawSpans(context, view, x, lane, timeline, colour);
  for (const [i, envelope] of lanes.entries()) {
    context.fillStyle = colour(i === 0 ? "--accent" : "--warm");
    drawLane(context, view, width, envelope, lane * i + lane / 2, lane / 2 - 3);
  }
  drawMarks(context, view, x, height - AXIS, timeline, colour);
  drawAxis(context, view, x, height, colour("--quiet"));
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {View} view
 * @param {number} width
 * @param {Envelope} envelope
 * @param {number} middle
 * @param {number} half  px of the highest bar
 */
function drawLane(context, { fromMs, toMs, nowMs }, width, envelope, middle, half) {
  const perBar = ((toMs - fromMs) / width) * BAR;
  for (let i = 0; i * BAR < width; i++) {
    const at = fromMs + i * perBar;
    if (at > nowMs) break;
    const loud = envelope.highest(at, at + perBar) / 255;
    const size = Math.max(0.5, Math.sqrt(loud) * half); // so that quiet speech is seen, too
    context.fillRect(i * BAR, middle - size, BAR - 0.5, 2 * size);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {View} view
 * @param {Scale} x
 * @param {number} lane  px
 * @param {Timeline} timeline
 * @param {(name: string) => string} colour
 */
function drawSpans(context, { fromMs, toMs, nowMs }, x, lane, { spans }, colour) {
  for (const { kind, fromMs: from, toMs: to } of spans) {
    const end = to ?? nowMs;
    if (end < fromMs || from > toMs) continue;
    context.fillStyle = colour(kind === "speech" ? "--tint" : "--warm-tint");
    context.fillRect(x(from), kind === "speech" ? 0 : lane, Math.max(1, x(end) - x(from)), lane);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {View} view
 * @param {Scale} x
 * @param {number} height
 * @param {Timeline} timeline
 * @param {(name: string) => string} colour
 */
function drawMarks(context, { fromMs, toMs, nowMs }, x, height, { marks }, colour) {
  context.lineWidth = 1.5;
  for (const { kind, ms } of marks) {
    if (ms < fromMs || ms > toMs) continue;
    const cuts = kind === "interrupted" || kind === "truncated";
    context.strokeStyle = colour(cuts ? "--danger" : kind === "turn" ? "--text" : "--quiet");
    context.setLineDash(cuts ? [] : kind === "turn" ? [4, 3] : [1, 3]);
    line(context, x(ms), 0, height);
  }
  context.setLineDash([]);
  context.strokeStyle = colour("--line");
  if (nowMs <= toMs) line(context, x(nowMs), 0, height);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {View} view
 * @param {Scale} x
 * @param {number} height
 * @param {string} colour
 */
function drawAxis(context, { fromMs, toMs }, x, height, colour) {
  const step = [500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 120_000].find((each) => (toMs - fromMs) / each <= 8) ?? 300_000;
  context.fillStyle = colour;
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "left";
  for (let ms = Math.ceil(fromMs / step) * step; ms < toMs; ms += step) {
    const seconds = ms / 1000;
    const text = `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}${step < 1000 ? `.${(seconds % 1) * 10}` : ""}`;
    context.fillRect(x(ms), height - AXIS, 1, 4);
    context.fillText(text, x(ms) + 3, height - 3);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} from
 * @param {number} to
 */
function line(context, x, from, to) {
  context.beginPath();
  context.moveTo(x, from);
  context.lineTo(x, to);
  context.stroke();
}
