/** Messages as plain data, to be kept and shown again later. Pure. */

/** @typedef {import("./transcript.js").Message} Message */

/**
 * Return a message as it is once nothing more comes of it: what was being said is done, and a reply that was being written or
 * spoken is cut. Null: nothing was said.
 *
 * @param {Message} message
 * @returns {Message | null}
 */
export function settled(message) {
  const { id, role, text, tentative, spoken, lit, at, error, fallback, answer, responseId, latency, lost } = message;
  const words = `${text} ${tentative}`.trim();
  if (!words && !error) return null;
  const status = role === "user" ? settledInput(message) : settledReply(message);
  return {
    ...{ id, role, status, text: tentative ? words : text, tentative: "", spoken, lit, at },
    ...defined({ error, fallback, answer, responseId, latency, lost }),
  };
}

/**
 * Whether a reply is spoken and not finished.
 *
 * @param {Message} message
 */
export function isBeingSpoken({ role, spoken, lit, text }) {
  return role === "assistant" && spoken && lit < text.trimEnd().length;
}

/**
 * @param {Message} message
 * @returns {import("./transcript.js").Status}
 */
function settledInput({ status }) {
  return status === "pending" || status === "failed" ? status : "done";
}

/**
 * @param {Message} message
 * @returns {import("./transcript.js").Status}
 */
function settledReply(message) {
  const { status } = message;
  return status === "in_progress" || (status === "done" && isBeingSpoken(message)) ? "cut" : status;
}

/**
 * @template {object} Fields
 * @param {Fields} fields
 * @returns {Partial<Fields>}
 */
function defined(fields) {
  return /** @type {Partial<Fields>} */ (Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)));
}
