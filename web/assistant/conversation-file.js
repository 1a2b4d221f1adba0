/** Exports the conversation as a file. Pure. */

/** @typedef {import("../lib/transcript.js").Message} Message */
/** @typedef {"text" | "markdown" | "json"} Format */

/** @type {Record<Format, {extension: string, type: string}>} */
export const FORMATS = {
  text: { extension: "txt", type: "text/plain" },
  markdown: { extension: "md", type: "text/markdown" },
  json: { extension: "json", type: "application/json" },
};

/**
 * @param {readonly Message[]} messages
 * @param {Format} format
 * @returns {string}
 */
export function conversationFile(messages, format) {
  const said = messages.map(plain).filter(({ heard, unheard }) => heard || unheard);
  if (format === "json") return `${JSON.stringify(said, null, 2)}\n`;
  return format === "text" ? said.map(asText).join("\n") + "\n" : said.map(asMarkdown).join("\n\n") + "\n";
}

/** @param {Message} message */
function plain({ role, text, tentative, status, spoken, lit, at, latency }) {
  const cut = status === "cut" && spoken;
  return {
    at: new Date(at).toISOString(),
    role,
    heard: (cut ? text.slice(0, lit) : `${text} ${tentative}`).trim(),
    unheard: cut ? text.slice(lit).trim() : "",
    ...(latency ? { latency } : {}),
  };
}

/** @param {ReturnType<typeof plain>} message */
function asText({ role, heard, unheard }) {
  return `${role === "user" ? "You" : "Assistant"}: ${heard}${unheard ? ` [not heard: ${unheard}]` : ""}`;
}

/** @param {ReturnType<typeof plain>} message */
function asMarkdown({ role, heard, unheard }) {
  const text = [heard, unheard && `~~${unheard}~~`].filter(Boolean).join(" ");
  return `**${role === "user" ? "You" : "Assistant"}:** ${text}`;
}
