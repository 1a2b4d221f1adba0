/** Which of the server's voices a user may choose. Pure. */

import { languageName } from "./recognizer-choice.js";

/**
 * @typedef {object} ServerVoice  as in `GET /v1/audio/voices`
 * @property {string} id
 * @property {string} name
 * @property {{languages: string[], gender: string | null, cloned: boolean, lacks: string | null}} streamsrv  no language:
 *   it speaks every one
 */

const SHOWN_LANGUAGES = 3;

/**
 * Return the voices that can be shown: the server's choice, the usable ones with their languages, then the others with
 * what they lack.
 *
 * @param {import("./path.js").Capabilities} capabilities
 * @param {ServerVoice[]} [voices]  none: an older server tells only their names
 * @returns {{value: string, text: string, unusable: boolean}[]}
 */
export function voiceChoices({ synthesizer }, voices = []) {
  if (synthesizer === null) return [{ value: "", text: "The server has none", unusable: false }];
  const first = { value: "", text: `Default (${voices[0]?.name ?? synthesizer.voices[0] ?? synthesizer.name})`, unusable: false };
  if (!voices.length) return [first, ...synthesizer.voices.map((name) => ({ value: name, text: name, unusable: false }))];
  const all = voices.map(({ id, name, streamsrv: { languages, gender, cloned, lacks } }) => {
    const facts = [cloned ? "your own" : gender, extent(languages)].filter(Boolean).join(", ");
    return { value: id, text: lacks ? `${name}: needs ${lacks}` : `${name} (${facts})`, unusable: Boolean(lacks) };
  });
  return [first, ...all.filter((choice) => !choice.unusable), ...all.filter((choice) => choice.unusable)];
}

/** @param {string[]} languages */
function extent(languages) {
  if (!languages.length) return "any language";
  return languages.length > SHOWN_LANGUAGES ? `${languages.length} languages` : languages.map(languageName).join(", ");
}
