/** Which models a conversation uses, and on whose machine. Pure. */

/** @typedef {import("./path.js").Capabilities} Capabilities */

/**
 * @typedef {object} Choice  what the user has chosen; empty: the server chooses
 * @property {string} recognizer
 * @property {string} voice
 * @property {string} model
 */

/**
 * Return the names of the models that hear, answer and speak; empty: there is none.
 *
 * @param {Capabilities} capabilities
 * @param {Choice} choice
 */
export function modelsUsed({ recognizer, recognizers = [], chat, synthesizer, synthesizers = [] }, choice) {
  const chosen = recognizers.find(({ name, lacks }) => name === choice.recognizer && !lacks);
  const speaker = synthesizers.find(({ voices }) => voices.includes(choice.voice));
  return {
    recognition: chosen?.name ?? recognizer ?? "",
    answers: chat.models.includes(choice.model) ? choice.model : chat.default,
    voice: speaker?.name ?? synthesizer?.name ?? "",
  };
}

/**
 * Return a model and where it runs, in words; an older server does not tell where.
 *
 * @param {string} name
 * @param {Capabilities} capabilities
 */
export function placed(name, { elsewhere }) {
  if (elsewhere === undefined) return name;
  return elsewhere.includes(name) ? `${name}, which the server passes this on to` : `${name}, on the server`;
}

/**
 * Return the names of the models to which the server sends what it is told; none, too, if it does not tell.
 *
 * @param {Capabilities} capabilities
 * @param {Choice} choice
 */
export function sentOnTo(capabilities, choice) {
  const { recognition, answers, voice } = modelsUsed(capabilities, choice);
  return [...new Set([recognition, answers, voice])].filter((name) => capabilities.elsewhere?.includes(name));
}
