/** The fields of the session object that have a control of their own. Pure. */

import { valueAt, withValue } from "./json-paths.js";

/** @typedef {import("./json-paths.js").Json} Json */

/**
 * @typedef {object} Field
 * @property {string} path  in the session object
 * @property {string} label
 * @property {"choice" | "number" | "text" | "lines" | "check" | "list"} kind  `lines`: a text of several lines; `list`: with commas
 * @property {{value: string, label: string}[]} [choices]
 * @property {boolean} [whole]  a whole number
 * @property {string} [unit]
 * @property {string} [hint]
 * @property {(session: Json) => boolean} [applies]  whether the session has it now
 */

/** @param {string} path @param {...string} values @returns {(session: Json) => boolean} */
const when = (path, ...values) => (session) => values.includes(valueAt(session, path));
/** @param {...string} values */
const choices = (...values) => values.map((value) => ({ value, label: value }));

const DETECTION = "audio.input.turn_detection";
const REDUCTION = "audio.input.noise_reduction";
const TRANSCRIPTION = "audio.input.transcription";

/** What these are when the type of an object is chosen: its other fields are the server's defaults. */
export const TYPED = new Set([DETECTION, REDUCTION]);

/** @type {{title: string, fields: Field[]}[]} */
export const GROUPS = [
  {
    title: "Replies",
    fields: [
      { path: "output_modalities", label: "Reply as", kind: "choice", choices: [{ value: "audio", label: "speech" }, { value: "text", label: "text only" }] },
      { path: "instructions", label: "Instructions", kind: "lines" },
      { path: "max_output_tokens", label: "Maximum output tokens", kind: "text", hint: "1 to 4096, or inf" },
      { path: "tool_choice", label: "Tool choice", kind: "choice", choices: choices("auto", "none", "required") },
      { path: "reasoning.effort", label: "Reasoning effort", kind: "choice", choices: [{ value: "", label: "the model's own" }, ...choices("none", "minimal", "low", "medium", "high", "xhigh")] },
      { path: "streamsrv.routing.policy", label: "How the model is chosen", kind: "choice", choices: [{ value: "", label: "the server's" }, ...choices("balanced", "cheapest", "fastest", "best", "local")] },
    ],
  },
  {
    title: "Voice",
    fields: [
      { path: "audio.output.voice", label: "Voice", kind: "choice", hint: "It can't change after the session's first sound." },
      { path: "audio.output.speed", label: "Speed", kind: "number", hint: "0.25 to 1.5" },
      { path: "streamsrv.language", label: "Language of the voice", kind: "text", hint: "Empty: that of each sentence" },
    ],
  },
  {
    title: "Turn detection",
    fields: [
      { path: `${DETECTION}.type`, label: "Type", kind: "choice", choices: [...choices("semantic_vad", "server_vad"), { value: "", label: "none: I end turns" }] },
      { path: `${DETECTION}.eagerness`, label: "Eagerness", kind: "choice", choices: choices("auto", "low", "medium", "high"), applies: when(`${DETECTION}.type`, "semantic_vad") },
      { path: `${DETECTION}.threshold`, label: "Threshold", kind: "number", hint: "0 to 1", applies: when(`${DETECTION}.type`, "server_vad") },
      { path: `${DETECTION}.silence_duration_ms`, label: "Silence that ends a turn", kind: "number", whole: true, unit: "ms", applies: when(`${DETECTION}.type`, "server_vad") },
      { path: `${DETECTION}.prefix_padding_ms`, label: "Prefix padding", kind: "number", whole: true, unit: "ms", applies: when(`${DETECTION}.type`, "server_vad") },
      { path: `${DETECTION}.idle_timeout_ms`, label: "Idle timeout", kind: "number", whole: true, unit: "ms", hint: "Empty: none", applies: when(`${DETECTION}.type`, "server_vad") },
      { path: `${DETECTION}.create_response`, label: "Answer each turn", kind: "check", applies: when(`${DETECTION}.type`, "server_vad", "semantic_vad") },
      { path: `${DETECTION}.interrupt_response`, label: "Speech interrupts replies", kind: "check", applies: when(`${DETECTION}.type`, "server_vad", "semantic_vad") },
    ],
  },
  {
    title: "Transcription",
    fields: [
      { path: `${TRANSCRIPTION}.model`, label: "Speech recogniser", kind: "choice" },
      { path: `${TRANSCRIPTION}.language`, label: "Language", kind: "text", hint: "A code such as en. Empty: it is detected" },
      { path: `${TRANSCRIPTION}.prompt`, label: "Prompt", kind: "lines" },
      { path: `${TRANSCRIPTION}.keywords`, label: "Keywords", kind: "list", hint: "Separated by commas" },
    ],
  },
  {
    title: "Noise reduction",
    fields: [
      { path: `${REDUCTION}.type`, label: "Type", kind: "choice", choices: [{ value: "", label: "none" }, ...choices("near_field", "far_field")] },
      { path: `${REDUCTION}.strength`, label: "Strength", kind: "number", hint: "0 to 1", applies: when(`${REDUCTION}.type`, "near_field", "far_field") },
    ],
  },
];

export const FIELDS = GROUPS.flatMap(({ fields }) => fields);

/** Events of the server that go beyond the protocol; the page shows all of them, and plays as `playback.hold` says. */
const EVENTS = ["transcription.partial", "words.timed", "playback.hold", "recognizer.loading", "voice.failed", "turn.resumed"];

/** @type {Json} what a session is until something else is asked for */
export const FIRST_SESSION = {
  type: "realtime",
  output_modalities: ["audio"],
  audio: { input: { transcription: {}, turn_detection: { type: "semantic_vad" } } },
  streamsrv: { events: EVENTS },
};

/**
 * @param {Field} field
 * @param {Json} session
 * @returns {string | boolean} what its control shows
 */
export function shown({ path, kind }, session) {
  const value = valueAt(session, path);
  if (kind === "check") return value ?? true;
  if (path === "output_modalities") return value?.[0] ?? "audio";
  if (kind === "list") return (value ?? []).join(", ");
  if (typeof value === "object" && value !== null) return String(value.id ?? value.name ?? "");
  return value === undefined || value === null ? "" : String(value);
}

/**
 * @param {Field} field
 * @param {string | boolean} entered
 * @returns {unknown} the value for the session object; what is no number goes as it is, and the server says so
 */
export function entry({ path, kind }, entered) {
  if (typeof entered === "boolean") return entered;
  if (path === "output_modalities") return [entered];
  if (kind === "list") return entered.split(",").map((word) => word.trim()).filter(Boolean);
  if (kind === "lines") return entered;
  const text = entered.trim();
  if (text === "") return null;
  const numeric = kind === "number" || path === "max_output_tokens";
  return numeric && !Number.isNaN(Number(text)) ? Number(text) : text;
}

/**
 * Return the update with a field changed. What is as the session has it already is left out.
 *
 * @param {Json} session  as the server has it
 * @param {Json} update  what is to be sent
 * @param {Field} field
 * @param {string | boolean} entered
 * @returns {Json}
 */
export function withEntry(session, update, field, entered) {
  const owner = field.path.slice(0, field.path.lastIndexOf("."));
  const isTyped = TYPED.has(owner);
  if (isTyped && field.path.endsWith(".type")) {
    const value = entered === "" ? null : { type: entered };
    const held = valueAt(session, owner) ?? null;
    return withValue(update, owner, (held?.type ?? "") === entered ? undefined : value);
  }
  const value = entry(field, entered);
  const held = valueAt(session, field.path);
  const unchanged = JSON.stringify(value ?? null) === JSON.stringify(held ?? null) && !valueAt(update, `${owner}.type`);
  return withValue(update, field.path, unchanged ? undefined : value);
}

/**
 * @param {string | null | undefined} param  the field of an error of the server
 * @returns {Field | null} the one whose control it is about
 */
export function fieldOf(param) {
  const path = (param ?? "").replace(/^session\./, "").replace(/\[\d+\]$/, "");
  return FIELDS.find((field) => field.path === path) ?? FIELDS.find((field) => field.path.startsWith(`${path}.`) && path !== "") ?? null;
}

/**
 * The session object that a new connection asks for, to be as an earlier one was. Its transport decides about the formats.
 *
 * @param {Json} session  as the server has it
 * @returns {Json}
 */
export function asRequest({ id: _id, object: _object, expires_at: _expires, model: _model, ...rest }) {
  return ["audio.input.format", "audio.output.format"].reduce((session, path) => withValue(session, path, undefined), rest);
}
