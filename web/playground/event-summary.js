/** Says in one line what an event is about. Pure. */

/** @typedef {"session" | "input" | "conversation" | "response" | "tools" | "streamsrv" | "error" | "other"} Family */

/** @type {[Family, string, string[]][]} family, what it is called, and how the types of its events begin */
const FAMILIES = [
  ["error", "Errors", ["error"]],
  ["session", "Session", ["session."]],
  ["input", "Speech input", ["input_audio_buffer.", "conversation.item.input_audio_transcription."]],
  ["tools", "Tools", ["response.function_call_arguments.", "response.mcp_call", "mcp_list_tools."]],
  ["conversation", "Conversation", ["conversation."]],
  ["response", "Responses", ["response.", "output_audio_buffer.", "rate_limits."]],
  ["streamsrv", "Extensions", ["streamsrv."]],
];

/** @type {{value: Family, label: string}[]} */
export const FAMILY_CHOICES = FAMILIES.map(([value, label]) => ({ value, label }));

/**
 * @param {string} type  of an event
 * @returns {Family}
 */
export function familyOf(type) {
  return FAMILIES.find(([, , beginnings]) => beginnings.some((each) => type.startsWith(each)))?.[0] ?? "other";
}

const MAX_LENGTH = 160;

/** Fields that say most, in this order; those of the objects `error`, `item`, `response` and `session` come first. */
const TOLD = [
  "message", "param", "code", "status", "name", "role", "arguments", "transcript", "text", "delta", "stable",
  "tentative", "model", "audio_start_ms", "audio_end_ms", "audio_ms", "ended", "output_modalities", "call_id", "item_id",
  "response_id", "id", "event_id",
];

/**
 * @param {string} type
 * @param {string} text  its JSON
 * @returns {string} the most important fields, in one line
 */
export function keyFields(type, text) {
  const event = JSON.parse(text);
  const inner = event.error ?? event.item ?? event.response ?? event.session;
  const sources = typeof inner === "object" && inner !== null ? [inner, event] : [event];
  /** @type {string[]} */
  const parts = [];
  for (const name of TOLD) {
    const value = sources.map((source) => source[name]).find((each) => each !== undefined && each !== null && each !== "");
    if (value === undefined || value === type || (typeof value === "object" && !Array.isArray(value))) continue;
    parts.push(`${name} ${typeof value === "string" ? quoted(name, value) : JSON.stringify(value)}`);
    if (parts.length === 4) break;
  }
  const line = parts.join("  ");
  return line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH - 1)}…` : line;
}

const NOT_QUOTED = /id$|^(code|status|name|role|param|model)$/;

/**
 * @param {string} name
 * @param {string} value
 */
function quoted(name, value) {
  const short = value.length > MAX_LENGTH ? `${value.slice(0, MAX_LENGTH)}…` : value;
  return NOT_QUOTED.test(name) ? short : JSON.stringify(short);
}

/** @param {number} ms */
export function inClock(ms) {
  const seconds = Math.max(0, ms) / 1000;
  return `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(3).padStart(6, "0")}`;
}

/** @param {number} characters */
export function inBytes(characters) {
  if (characters < 1000) return `${characters} B`;
  return characters < 1_000_000 ? `${(characters / 1000).toFixed(1)} kB` : `${(characters / 1_000_000).toFixed(1)} MB`;
}
