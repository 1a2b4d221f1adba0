/** Which of the server's recognisers a user may choose, and for which languages. Pure. */

import { otherRecognizer, otherVoice, serverProblem, unknownLanguage } from "./problems.js";
import { sessionObject } from "./session-options.js";

/** @typedef {import("./path.js").Capabilities} Capabilities */
/** @typedef {import("./problems.js").Problem} Problem */

/**
 * @typedef {object} Wish  what the user chose; empty: the server chooses
 * @property {string} recognizer  the name of a recogniser
 * @property {string} speechLanguage  an ISO 639-1 code
 */

/** @typedef {{value: string, text: string, unusable: boolean}} Choice */

const NAMED_LANGUAGES = 6; // more are counted

/**
 * Return the recognisers that can be shown: the server's choice, the usable ones, then the others with what they lack.
 *
 * @param {Capabilities} capabilities
 * @returns {Choice[]}
 */
export function recognizerChoices({ recognizer, recognizers = [] }) {
  const all = recognizers.map(({ name, languages, lacks }) => ({
    value: name,
    text: lacks ? `${name}: ${lacks}` : `${name} (${extent(languages)})`,
    unusable: Boolean(lacks),
  }));
  const first = { value: "", text: recognizer === null ? "The server has none" : `Default (${recognizer})`, unusable: false };
  return [first, ...all.filter((choice) => !choice.unusable), ...all.filter((choice) => choice.unusable)];
}

/**
 * Return the languages that the chosen recogniser knows; of all usable ones, if the server chooses it.
 *
 * @param {Capabilities} capabilities
 * @param {string} name  of the recogniser; empty: the server chooses
 * @returns {Choice[]}
 */
export function languageChoices({ recognizers = [] }, name) {
  const asked = recognizers.filter((each) => !each.lacks && (name === "" || each.name === name));
  const codes = [...new Set(asked.flatMap(({ languages }) => languages))];
  const choices = codes.map((code) => ({ value: code, text: languageName(code), unusable: false }));
  choices.sort((one, other) => one.text.localeCompare(other.text));
  const detects = name !== "" && asked.some((each) => each.detects_language);
  return [{ value: "", text: detects ? "Detected from the speech" : "Not set", unusable: false }, ...choices];
}

/**
 * Return in a sentence which languages can be spoken as things are; empty: there is no recogniser.
 *
 * @param {Capabilities} capabilities
 * @param {Wish} wish
 * @param {string} [where]  another language can be chosen
 */
export function languageHint({ recognizer, recognizers = [] }, { recognizer: name, speechLanguage }, where = "") {
  const usable = recognizers.filter(({ lacks }) => !lacks);
  const used = usable.find((each) => each.name === (name || recognizer));
  if (recognizer === null || used === undefined) return "";
  if (speechLanguage) return `${languageName(speechLanguage)} is recognised.`;
  const [only] = used.languages;
  if (used.languages.length !== 1 || only === undefined) return `${knownLanguages(used.languages)} recognised.`;
  const others = name ? [] : usable.filter(({ languages }) => languages.length !== 1 || languages[0] !== only);
  if (others.length === 0) return `${name || "This server"} recognises ${languageName(only)} only.`;
  return `${languageName(only)} is recognised, unless you choose another language${where}.`;
}

/** @param {string[]} codes  empty: every one */
function knownLanguages(codes) {
  if (codes.length === 0) return "Any language is";
  if (codes.length > NAMED_LANGUAGES) return `${codes.length} languages are`;
  const names = codes.map(languageName).sort();
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)} are`;
}

/**
 * Return what the chosen recogniser is good for, in a sentence or two; empty: nobody has stated it.
 *
 * @param {Capabilities} capabilities
 * @param {string} name  of the recogniser; empty: the server chooses
 */
export function recognizerHint({ recognizer, recognizers = [] }, name) {
  const chosen = recognizers.find((each) => each.name === (name || recognizer));
  const sentences = [chosen?.best_for && `Best for ${chosen.best_for}.`, chosen?.not_for && `Not for ${chosen.not_for}.`];
  return sentences.filter(Boolean).join(" ");
}

/** What a session asks of the server's recognisers and voices: the user's wish, as far as the server can fulfil it. */
export class RecognizerWish {
  #voice = "";
  #refusedVoice = "";
  /** Of the server's voices, in speed. */
  #slowest = 0;
  #fastest = Infinity;
  #tell;

  /** @type {{model: string | null, language: string | null}} of the session object; null: the server chooses */
  transcription = { model: null, language: null };

  /** @param {(problem: Problem) => void} [tell]  is told what the session goes without */
  constructor(tell = () => {}) {
    this.#tell = tell;
  }

  /**
   * Make the wish; returns what of it cannot be had.
   *
   * @param {Wish} wish
   * @param {Capabilities | null} capabilities  null: not known
   * @returns {Problem[]}
   */
  make({ recognizer, speechLanguage }, capabilities) {
    this.#slowest = capabilities?.synthesizer?.min_speed ?? 0;
    this.#fastest = capabilities?.synthesizer?.max_speed ?? Infinity;
    const offered = capabilities?.recognizers ?? [];
    const chosen = offered.find(({ name }) => name === recognizer);
    const isUsable = chosen !== undefined && !chosen.lacks;
    const able = isUsable ? [chosen] : offered.filter(({ lacks }) => !lacks);
    const isKnown = able.some(({ languages }) => languages.length === 0 || languages.includes(speechLanguage));
    this.transcription = { model: isUsable ? recognizer : null, language: (isKnown && speechLanguage) || null };
    const used = isUsable ? recognizer : (capabilities?.recognizer ?? "");
    if (!used) return [];
    const missed = [];
    if (recognizer && !isUsable) {
      missed.push(otherRecognizer(recognizer, chosen?.lacks || "this server does not have it", used));
    }
    if (speechLanguage && !isKnown) missed.push(unknownLanguage(languageName(speechLanguage), used));
    return missed;
  }

  /**
   * @param {import("./session-options.js").VoiceSessionOptions} options
   * @param {Pick<import("./path.js").Path, "recognition" | "voice">} path
   */
  sessionObject(options, path) {
    this.#voice = options.voice === this.#refusedVoice ? "" : options.voice;
    const speed = Math.min(this.#fastest, Math.max(this.#slowest, options.speed));
    return sessionObject({ ...options, speed, voice: this.#voice }, path, this.transcription);
  }

  /**
   * Whether the server refuses the wish, because it has changed since it was asked what it has. Then the session must be
   * updated without it.
   *
   * @param {{code: string | null, message: string, param?: string | null}} error  of the server
   */
  refusedBy(error) {
    if (error.param === "session.audio.output.voice" && this.#voice) {
      this.#refusedVoice = this.#voice;
      this.#tell(otherVoice(this.#voice));
      return true;
    }
    const isNew = refusesWish(error) && Object.values(this.transcription).some(Boolean);
    if (!isNew) return false;
    this.transcription = { model: null, language: null };
    this.#tell(serverProblem(error));
    return true;
  }
}

/**
 * Whether the server refuses a session's recogniser or language.
 *
 * @param {{param?: string | null}} error  of the server
 */
export function refusesWish({ param }) {
  return param?.startsWith("session.audio.input.transcription.") ?? false;
}

/** @param {string} code  ISO 639-1 */
export function languageName(code) {
  try {
    return new Intl.DisplayNames("en", { type: "language" }).of(code) ?? code;
  } catch {
    return code; // the browser does not know such a code
  }
}

/** @param {string[]} languages  empty: every one */
function extent(languages) {
  const [only] = languages;
  return languages.length === 1 && only ? languageName(only) : languages.length ? `${languages.length} languages` : "any language";
}
