/** Exports the conversation as a file. Pure. */

/** @typedef {import("../lib/transcript.js").Message} Message */
/** @typedef {"text" | "markdown" | "json"} Format */
/** @typedef {{server: string, model: string}} Origin  where the conversation was held, and with whom; empty: not known */

/** @type {Record<Format, {extension: string, type: string}>} */
export const FORMATS = {
  text: { extension: "txt", type: "text/plain" },
  markdown: { extension: "md", type: "text/markdown" },
  json: { extension: "json", type: "application/json" },
};

/**
 * @param {readonly Message[]} messages
 * @param {Format} format
 * @param {Origin} origin
 * @returns {string}
 */
export function conversationFile(messages, format, { server, model }) {
  const said = messages.map(plain).filter(({ heard, unheard }) => heard || unheard);
  const began = said[0]?.at ?? 0;
  const models = [...new Set(said.flatMap((message) => message.model ?? []))];
  const named = (models.length > 0 ? models : [model]).filter(Boolean).join(", ");
  if (format === "json") {
    const written = said.map(({ at, ...rest }) => ({ at: new Date(at).toISOString(), ...rest }));
    const head = { began: new Date(began).toISOString(), server, model: named };
    return `${JSON.stringify({ ...head, messages: written }, null, 2)}\n`;
  }
  const facts = [`Server: ${server}`, ...(named ? [`Model: ${named}`] : [])];
  const title = `Conversation of ${day(began)}`;
  const times = said.map(({ at }, index) => stamp(at, said[index - 1]?.at ?? began));
  if (format === "text") {
    return [[title, ...facts].join("\n"), ...said.map((message, index) => asText(message, times[index]))].join("\n\n") + "\n";
  }
  const head = [`# ${title}`, facts.map((fact) => `- ${fact}`).join("\n")];
  return [...head, ...said.map((message, index) => asMarkdown(message, times[index]))].join("\n\n") + "\n";
}

/** @param {Message} message */
function plain({ role, text, tentative, status, spoken, lit, at, latency, answer }) {
  const cut = status === "cut" && spoken;
  return {
    at,
    role,
    heard: (cut ? text.slice(0, lit) : `${text} ${tentative}`).trim(),
    unheard: cut ? text.slice(lit).trim() : "",
    ...(answer ? { model: answer.model } : {}),
    ...(latency ? { latency } : {}),
  };
}

/**
 * @param {ReturnType<typeof plain>} message
 * @param {string | undefined} time
 */
function asText({ role, heard, unheard }, time) {
  return `[${time}] ${who(role)}: ${[heard, unheard && `[not heard: ${unheard}]`].filter(Boolean).join(" ")}`;
}

/**
 * @param {ReturnType<typeof plain>} message
 * @param {string | undefined} time
 */
function asMarkdown({ role, heard, unheard }, time) {
  return `**${who(role)}** (${time})\n\n${[heard, unheard && `~~${unheard}~~`].filter(Boolean).join(" ")}`;
}

/** @param {Message["role"]} role */
function who(role) {
  return role === "user" ? "You" : "Assistant";
}

/**
 * The time of a message, with the day if it is another than that of the message before it.
 *
 * @param {number} at  ms since 1970
 * @param {number} before
 */
function stamp(at, before) {
  const time = [new Date(at).getHours(), new Date(at).getMinutes(), new Date(at).getSeconds()].map(twoDigits).join(":");
  return day(at) === day(before) ? time : `${day(at)} ${time}`;
}

/** @param {number} at  ms since 1970 */
function day(at) {
  const date = new Date(at);
  return [date.getFullYear(), date.getMonth() + 1, date.getDate()].map(twoDigits).join("-");
}

/** @param {number} number */
function twoDigits(number) {
  return String(number).padStart(2, "0");
}
