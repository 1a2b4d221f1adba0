/** What happened when in the sound of a session: speech, turns, replies and interruptions. Pure. */

/** @typedef {import("../lib/transcript.js").ServerEvent} ServerEvent */
/** @typedef {"speech" | "reply"} SpanKind */
/** @typedef {{kind: SpanKind, id: string, fromMs: number, toMs: number | null, note: string}} Span  `toMs` null: it goes on */
/** @typedef {"turn" | "interrupted" | "held" | "resumed" | "truncated" | "tool"} MarkKind */
/** @typedef {{kind: MarkKind, ms: number, text: string}} Mark */

const MAX_SPANS = 1000;
const MAX_MARKS = 1000;

export class Timeline {
  /** @type {Span[]} */
  spans = [];
  /** @type {Mark[]} */
  marks = [];

  /**
   * @param {ServerEvent} event  of the server
   * @param {number} nowMs  since the beginning
   * @param {(audioMs: number) => number} heardAt  when that ms of the input audio was said; by `nowMs` where it is not known
   */
  take(event, nowMs, heardAt) {
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        return this.#begin("speech", event.item_id, heardAt(event.audio_start_ms));
      case "input_audio_buffer.speech_stopped":
        return this.#end("speech", heardAt(event.audio_end_ms), "");
      case "input_audio_buffer.committed":
        return this.#mark("turn", nowMs, "turn ends");
      case "streamsrv.turn.resumed":
        return this.#mark("resumed", nowMs, `turn goes on after ${event.pause_ms} ms`);
      case "streamsrv.playback.hold":
        return this.#mark("held", nowMs, "reply is held");
      case "streamsrv.playback.resume":
        return this.#mark("resumed", nowMs, "reply goes on");
      case "conversation.item.truncated":
        return this.#mark("truncated", nowMs, `reply truncated at ${event.audio_end_ms} ms`);
      case "response.function_call_arguments.done":
        return this.#mark("tool", nowMs, `calls ${event.name ?? "a function"}`);
      case "response.done":
        if (event.response.status === "cancelled") {
          this.#mark("interrupted", nowMs, `interrupted (${event.response.status_details?.reason ?? "cancelled"})`);
        }
    }
  }

  /**
   * How much of a reply was played.
   *
   * @param {import("../lib/speaker.js").Played} played
   * @param {number} nowMs
   */
  played({ itemId, ms, ended, complete }, nowMs) {
    const last = this.spans.findLast(({ kind }) => kind === "reply");
    if (ended && last?.id === itemId) this.#end("reply", nowMs, complete ? "" : `cut at ${(ms / 1000).toFixed(1)} s`);
    else if (!ended && ms > 0 && last?.id !== itemId) this.#begin("reply", itemId, Math.max(0, nowMs - ms));
  }

  /** @param {number} nowMs  nothing goes on: the connection is gone */
  stop(nowMs) {
    for (const span of this.spans) span.toMs ??= nowMs;
  }

  clear() {
    this.spans = [];
    this.marks = [];
  }

  /** @returns {{ms: number, text: string}[]} all of it in words, oldest first */
  inWords() {
    const spans = this.spans.map(({ kind, fromMs, toMs, note }) => {
      const who = kind === "speech" ? "You speak" : "Reply is heard";
      const until = toMs === null ? "goes on" : `for ${((toMs - fromMs) / 1000).toFixed(1)} s`;
      return { ms: fromMs, text: [`${who}, ${until}`, note].filter(Boolean).join(", ") };
    });
    return [...spans, ...this.marks.map(({ ms, text }) => ({ ms, text }))].sort((a, b) => a.ms - b.ms);
  }

  /**
   * @param {SpanKind} kind
   * @param {string} id
   * @param {number} fromMs
   */
  #begin(kind, id, fromMs) {
    this.#end(kind, fromMs, "");
    this.spans.push({ kind, id, fromMs, toMs: null, note: "" });
    if (this.spans.length > MAX_SPANS) this.spans.shift();
  }

  /**
   * @param {SpanKind} kind
   * @param {number} toMs
   * @param {string} note
   */
  #end(kind, toMs, note) {
    const open = this.spans.findLast((span) => span.kind === kind && span.toMs === null);
    if (!open) return;
    open.toMs = Math.max(open.fromMs, toMs);
    open.note = note;
  }

  /**
   * @param {MarkKind} kind
   * @param {number} ms
   * @param {string} text
   */
  #mark(kind, ms, text) {
    this.marks.push({ kind, ms, text });
    if (this.marks.length > MAX_MARKS) this.marks.shift();
  }
}
