import { byId, make } from "../lib/elements.js";
import { fromBase64 } from "../lib/pcm.js";
import { isPlainKey } from "../lib/plain-key.js";
import { BLOCK_MS, Envelope, ReplyPeaks, peak } from "./envelope.js";
import { inClock } from "./event-summary.js";
import { eachFrame } from "./frames.js";
import { coloursOf, drawSound } from "./sound-drawing.js";
import { MAX_SPAN_MS, count, rightEdge } from "./sound-view.js";
import { Timeline } from "./timeline.js";

/** @typedef {import("../lib/transcript.js").ServerEvent} ServerEvent */

const MIN_SPAN_MS = 2000;
const MAX_WORDS = 200; // newest rows of the text
const STALE_MS = 250; // the picture moves on while nothing is heard, too

/** What both sides said, on one axis of time. */
export class SoundPanel {
  #canvas = byId("sound", HTMLCanvasElement);
  #words = byId("sound-words", HTMLDetailsElement);
  #mine = new Envelope();
  #server = new Envelope();
  #replies = new ReplyPeaks();
  #timeline = new Timeline();
  #beganAt = 0; // ms of performance.now; 0: nothing was heard yet
  #sentMs = 0; // of the input audio
  #spanMs = 30_000;
  /** @type {number | null} null: follows the present */
  #rightMs = null;
  #playing = "";
  /** @type {Record<string, string> | null} null: those of another theme */
  #colours = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #clock;
  #changed = eachFrame(() => this.#draw());

  constructor() {
    this.#canvas.addEventListener("keydown", (event) => this.#key(event));
    this.#canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    byId("sound-in", HTMLButtonElement).addEventListener("click", () => this.#zoom(1 / 2));
    byId("sound-out", HTMLButtonElement).addEventListener("click", () => this.#zoom(2));
    byId("sound-live", HTMLButtonElement).addEventListener("click", () => this.#move(null));
    this.#words.addEventListener("toggle", this.#changed);
    new ResizeObserver(this.#changed).observe(this.#canvas);
    for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)"]) {
      matchMedia(query).addEventListener("change", () => this.#recolour());
    }
    new MutationObserver(() => this.#recolour()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  #recolour() {
    this.#colours = null;
    this.#changed();
  }

  /** Time begins, or goes on. */
  start() {
    this.#beganAt ||= performance.now();
    clearInterval(this.#clock);
    this.#clock = setInterval(() => this.#rightMs === null && this.#changed(), STALE_MS);
  }

  stop() {
    clearInterval(this.#clock);
    if (this.#beganAt) this.#timeline.stop(this.#nowMs);
    this.#playing = "";
    this.#changed();
  }

  /** @param {Int16Array} pcm  20 ms of the microphone */
  heard(pcm) {
    this.#sentMs += BLOCK_MS;
    this.#mine.push(peak(pcm), this.#nowMs);
    this.#changed();
  }

  /** @param {Int16Array} pcm  20 ms of the server's track */
  remote(pcm) {
    this.#server.push(peak(pcm), this.#nowMs);
    this.#changed();
  }

  /**
   * @param {ServerEvent} event  of the server
   */
  take(event) {
    if (event.type === "response.output_audio.delta") {
      this.#replies.add(event.item_id, fromBase64(event.delta));
      return;
    }
    if (event.type === "session.created") this.#sentMs = 0;
    const now = this.#nowMs;
    const heardAt = (/** @type {number} */ audioMs) => Math.max(0, Math.min(now, now - this.#sentMs + audioMs));
    this.#timeline.take(event, now, (audioMs) => (this.#sentMs ? heardAt(audioMs) : now));
    this.#changed();
  }

  /** @param {import("../lib/speaker.js").Played} played */
  played(played) {
    const now = this.#nowMs;
    const { itemId, ms, ended } = played;
    const blocks = this.#replies.played(itemId, ms);
    blocks.forEach((height, i) => this.#server.put(height, now - (blocks.length - i) * BLOCK_MS));
    this.#timeline.played(played, now);
    const received = this.#replies.receivedMs(itemId);
    const of = received ? ` of ${(received / 1000).toFixed(1)} s received` : "";
    this.#playing = ended ? "" : `Playing ${(ms / 1000).toFixed(1)} s${of}`;
    this.#changed();
  }

  get #nowMs() {
    return this.#beganAt ? performance.now() - this.#beganAt : 0;
  }

  #draw() {
    const toMs = Math.max(this.#rightMs ?? this.#nowMs, this.#spanMs);
    const view = { fromMs: toMs - this.#spanMs, toMs, nowMs: this.#nowMs };
    this.#colours ??= coloursOf(this.#canvas);
    drawSound(this.#canvas, view, [this.#mine, this.#server], this.#timeline, this.#colours);
    const { spans, marks } = this.#timeline;
    const replies = spans.filter(({ kind }) => kind === "reply").length;
    const interruptions = marks.filter(({ kind }) => kind === "interrupted").length;
    const told = [count(spans.length - replies, "utterance"), count(replies, "reply", "replies"), count(interruptions, "interruption")].join(", ");
    const until = this.#rightMs === null ? "up to now" : `from ${inClock(view.fromMs)} to ${inClock(view.toMs)}`;
    const name = this.#beganAt ? `Sound ${until}: ${told} so far. The text below has their times.` : "Nothing has been heard yet";
    if (this.#canvas.getAttribute("aria-label") !== name) this.#canvas.setAttribute("aria-label", name);
    byId("sound-position", HTMLElement).textContent = this.#playing;
    if (this.#words.open) this.#write();
  }

  #write() {
    const rows = this.#timeline.inWords().slice(-MAX_WORDS);
    const list = /** @type {HTMLElement} */ (this.#words.querySelector("ol"));
    const all = rows.map(({ ms, text }) => `${inClock(ms)} ${text}`);
    if (list.dataset.shown === all.join("\n")) return;
    list.dataset.shown = all.join("\n");
    list.replaceChildren(...all.map((text) => make("li", "", text)));
  }

  /** @param {number} factor */
  #zoom(factor) {
    this.#spanMs = Math.min(MAX_SPAN_MS, Math.max(MIN_SPAN_MS, this.#spanMs * factor));
    this.#changed();
  }

  /** @param {number | null} rightMs  null: the present */
  #move(rightMs) {
    this.#rightMs = rightMs === null ? null : rightEdge(rightMs, this.#nowMs, this.#spanMs);
    byId("sound-live", HTMLButtonElement).setAttribute("aria-pressed", String(this.#rightMs === null));
    this.#changed();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (!isPlainKey(event)) return;
    const right = this.#rightMs ?? this.#nowMs;
    const step = this.#spanMs / 10;
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowLeft: () => this.#move(right - step),
      ArrowRight: () => this.#move(right + step),
      PageUp: () => this.#move(right - this.#spanMs),
      PageDown: () => this.#move(right + this.#spanMs),
      Home: () => this.#move(0),
      End: () => this.#move(null),
      "+": () => this.#zoom(1 / 2),
      "-": () => this.#zoom(2),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  /** @param {WheelEvent} event  sideways, or with Ctrl to zoom: the page still scrolls up and down */
  #wheel(event) {
    if (event.ctrlKey) this.#zoom(event.deltaY > 0 ? 1.25 : 0.8);
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      this.#move((this.#rightMs ?? this.#nowMs) + (event.deltaX / this.#canvas.clientWidth) * this.#spanMs);
    } else return;
    event.preventDefault();
  }
}
