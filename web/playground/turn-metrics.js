/** The answers of a session in numbers: latency, tokens, cost, model. Pure. */

/** @typedef {import("../lib/transcript.js").ServerEvent} ServerEvent */

/**
 * @typedef {object} Turn
 * @property {number} number  counts from 1
 * @property {string} responseId
 * @property {number} at  ms since 1970
 * @property {string} status  of the response, and why
 * @property {Record<string, number>} latency  ms to each stage: from the end of speech, or from the request of the answer
 * @property {boolean} isSpoken  whether it counts from the end of speech, as the server measured it; else this page did
 * @property {number} requestedAt  ms since 1970
 * @property {Record<string, any> | null} ending  what the decision that the turn had ended saw
 * @property {{input: number, cached: number, output: number} | null} tokens
 * @property {import("../lib/transcript.js").Cost & {turn_usd?: number, session_usd?: number} | null} cost
 * @property {string} model
 * @property {{from: string, reason: string} | null} fallback
 */

/** @typedef {{count: number, input: number, cached: number, output: number, usd: number | null, medianMs: number | null}} Totals */

export const MAX_TURNS = 500;
const MAX_PENDING = 50;

const FIRST_TEXT = new Set(["response.output_text.delta", "response.output_audio_transcript.delta", "response.function_call_arguments.delta"]);

export class TurnMetrics {
  /** @type {Turn[]} */
  #turns = [];
  /** @type {Map<string, {requestedAt: number, latency: Record<string, number>}>} answers that are not done */
  #pending = new Map();
  #requestedAt = 0;
  #number = 0;
  #totals = { count: 0, input: 0, cached: 0, output: 0, usd: /** @type {number | null} */ (null) };

  /** @returns {readonly Turn[]} oldest first */
  get turns() {
    return this.#turns;
  }

  /** @returns {Totals} of all answers, also of those that are not kept */
  get totals() {
    const waits = this.#turns.map(waitMs).filter((ms) => ms > 0).sort((a, b) => a - b);
    return { ...this.#totals, medianMs: waits[Math.floor((waits.length - 1) / 2)] ?? null };
  }

  /**
   * @param {"client" | "server"} side
   * @param {ServerEvent} event
   * @param {number} at  ms since 1970
   * @returns {boolean} whether there is one more turn
   */
  take(side, event, at) {
    if (side === "client") {
      if (event.type === "response.create") this.#requestedAt = at;
    } else if (event.type === "response.created") {
      this.#begin(event.response.id, at);
    } else if (FIRST_TEXT.has(event.type)) {
      this.#reached(event.response_id, "first_token_ms", at);
    } else if (event.type === "response.output_audio.delta" || event.type === "output_audio_buffer.started") {
      this.#reached(event.response_id, "first_audio_ms", at);
    } else if (event.type === "response.done") {
      this.#end(event.response, at);
      return true;
    }
    return false;
  }

  /**
   * @param {string} responseId
   * @param {number} at  when its first sound was played, ms since 1970
   */
  played(responseId, at) {
    const pending = this.#pending.get(responseId);
    if (pending) pending.latency.played_ms ??= at - pending.requestedAt;
    const turn = this.#turns.find((each) => each.responseId === responseId);
    if (turn && !turn.isSpoken) turn.latency.played_ms ??= Math.round(at - turn.requestedAt);
  }

  /**
   * @param {string} responseId
   * @param {Record<string, number>} latency  of a spoken turn, with the time of the first played sound
   */
  measured(responseId, latency) {
    const turn = this.#turns.find((each) => each.responseId === responseId);
    if (turn?.isSpoken) turn.latency = latency;
  }

  clear() {
    this.#turns = [];
    this.#pending.clear();
    this.#totals = { count: 0, input: 0, cached: 0, output: 0, usd: null };
  }

  /**
   * @param {string} id
   * @param {number} at
   */
  #begin(id, at) {
    this.#pending.set(id, { requestedAt: this.#requestedAt || at, latency: {} });
    this.#requestedAt = 0;
    const [oldest] = this.#pending.keys();
    if (this.#pending.size > MAX_PENDING && oldest !== undefined) this.#pending.delete(oldest);
  }

  /**
   * @param {string} id
   * @param {string} stage
   * @param {number} at
   */
  #reached(id, stage, at) {
    const pending = this.#pending.get(id);
    if (pending) pending.latency[stage] ??= Math.round(at - pending.requestedAt);
  }

  /**
   * @param {any} response
   * @param {number} at
   */
  #end(response, at) {
    const { id, status, status_details: details, usage, streamsrv = {} } = response;
    const pending = this.#pending.get(id) ?? { requestedAt: at, latency: {} };
    this.#pending.delete(id);
    const why = details?.reason ?? details?.error?.message;
    const tokens = usage && {
      input: usage.input_tokens ?? 0,
      cached: usage.input_token_details?.cached_tokens ?? 0,
      output: usage.output_tokens ?? 0,
    };
    this.#number += 1;
    this.#turns.push({
      number: this.#number,
      responseId: id,
      at,
      status: why ? `${status} (${why})` : status,
      latency: streamsrv.latency ?? pending.latency,
      isSpoken: streamsrv.latency !== undefined,
      requestedAt: pending.requestedAt,
      ending: streamsrv.turn ?? null,
      tokens: tokens ?? null,
      cost: streamsrv.cost ?? null,
      model: streamsrv.model ?? "",
      fallback: streamsrv.fallback ?? null,
    });
    if (this.#turns.length > MAX_TURNS) this.#turns.shift();
    this.#add(tokens, streamsrv.cost);
  }

  /**
   * @param {{input: number, cached: number, output: number} | null} tokens
   * @param {Turn["cost"]} cost
   */
  #add(tokens, cost) {
    this.#totals.count += 1;
    this.#totals.input += tokens?.input ?? 0;
    this.#totals.cached += tokens?.cached ?? 0;
    this.#totals.output += tokens?.output ?? 0;
    if (cost) this.#totals.usd = (this.#totals.usd ?? 0) + (cost.turn_usd ?? cost.usd);
  }
}

/** @param {Turn} turn @returns {number} ms until the first sound, or until the last stage that is known */
export function waitMs({ latency }) {
  return latency.played_ms ?? latency.first_audio_ms ?? latency.first_token_ms ?? 0;
}

/**
 * @param {Turn["ending"]} ending
 * @returns {string} what the end-of-turn decision saw, in words
 */
export function endingInWords(ending) {
  if (!ending) return "";
  const { limit_ms: limit, pace, voice, words, recognizer } = ending;
  return [
    `pause of ${limit} ms was enough`,
    ...(pace === undefined ? [] : [`pace ${pace}`]),
    ...(voice === undefined ? [] : [`voice ${voice}`]),
    ...(words === undefined ? [] : [`words ${words.as_recognized} (plain ${words.plain})`]),
    ...(recognizer === undefined ? [] : [`recogniser ${recognizer}`]),
  ].join(", ");
}
