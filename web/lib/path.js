/** Decides the path of speech to the server and back, and why no better one is used. Pure. */

/**
 * @typedef {object} Capabilities  stages of a server (`GET /v1/streamsrv/capabilities`); null: missing
 * @property {string | null} recognizer  the default one
 * @property {ServerRecognizer[]} [recognizers]  those that a session may name
 * @property {string | null} [translator]  the one that translates into English where none is named
 * @property {{name: string, voices: string[], min_speed?: number, max_speed?: number} | null} synthesizer
 * @property {{default: string, models: string[]}} chat
 * @property {{name: string, voices: string[]}[]} [synthesizers]
 * @property {string[]} [elsewhere]  models that another machine may serve: what users say and write goes there
 * @property {string[]} transports
 */

/**
 * @typedef {object} ServerRecognizer
 * @property {string} name
 * @property {string[]} languages  ISO 639-1 codes; empty: every one
 * @property {boolean} detects_language  whether it finds out which of them is spoken
 * @property {boolean} [keywords]  whether it takes a vocabulary
 * @property {string | null} [best_for]
 * @property {string | null} [not_for]
 * @property {string | null} lacks  what whoever runs the server can do to make it usable; null: it is usable
 */

/**
 * @typedef {"server" | "browser" | "none"} Stage  who performs a stage
 */

/**
 * @typedef {object} Facts
 * @property {Capabilities | null} server  null: it cannot be reached
 * @property {string} [transport]  the transport that is connected
 * @property {import("./connection.js").AudioCodec} [codec]  of its audio
 * @property {string[]} [transportReasons]  why better transports are not used
 * @property {boolean} browserHears  the browser has SpeechRecognition, and may use it
 * @property {boolean} [browserCouldHear]  the browser has SpeechRecognition, allowed or not
 * @property {boolean} browserSpeaks  the browser has speechSynthesis
 * @property {string} [hearingFailed]  error of the server's recogniser
 * @property {string} [speakingFailed]  error of the server's voice
 */

/**
 * @typedef {object} Path
 * @property {"webrtc" | "websocket" | "none"} transport
 * @property {string} connection  the transport in words
 * @property {Stage} recognition
 * @property {Stage} voice
 * @property {string} summary  one line
 * @property {string[]} reasons  a sentence for each step down from the best path
 */

/**
 * @param {Facts} facts
 * @returns {Path}
 */
export function choosePath(facts) {
  const reasons = [...(facts.transportReasons ?? [])];
  if (facts.server === null) return withoutServer(facts, reasons);
  /** @type {Path["transport"]} */
  const transport = facts.transport === "webrtc" ? "webrtc" : "websocket";
  if (!facts.server.transports.includes("webrtc")) reasons.push("WebRTC is not used: the server does not offer it.");
  const heard = facts.hearingFailed ?? (facts.server.recognizer === null ? "The server has no speech recogniser" : "");
  const spoken = facts.speakingFailed ?? (facts.server.synthesizer === null ? "The server has no voice" : "");
  const recognition = stage(heard, facts.browserHears);
  const voice = stage(spoken, facts.browserSpeaks);
  if (heard) reasons.push(`${heard}: ${whoHears(facts)}`);
  if (spoken) reasons.push(`${spoken}: ${facts.browserSpeaks ? "the browser speaks." : "replies are only shown."}`);
  const connection = connectionName(transport, facts.codec);
  return { transport, connection, recognition, voice, summary: summary(connection, recognition, voice), reasons };
}

/** @param {Facts} facts */
function whoHears({ browserHears, browserCouldHear }) {
  if (browserHears) return "the browser recognises speech.";
  if (browserCouldHear) return "you can only type, unless you let the browser recognise speech (see Settings).";
  return "you can only type.";
}

/**
 * @param {string} failure
 * @param {boolean} browserCan
 * @returns {Stage}
 */
function stage(failure, browserCan) {
  if (!failure) return "server";
  return browserCan ? "browser" : "none";
}

/**
 * @param {Facts} facts
 * @param {string[]} reasons
 * @returns {Path}
 */
function withoutServer(facts, reasons) {
  const recognition = facts.browserHears ? "browser" : "none";
  const said = facts.browserHears
    ? "The server can't be reached: the browser alone transcribes what you say, and nothing answers."
    : `The server can't be reached: ${whoHears(facts)}`;
  const line = facts.browserHears ? "Offline – browser transcription only" : "Not connected";
  const none = /** @type {const} */ ({ transport: "none", connection: "none", voice: "none" });
  return { ...none, recognition, summary: line, reasons: [...reasons, said] };
}

/**
 * @param {Path["transport"]} transport
 * @param {Facts["codec"]} codec
 */
function connectionName(transport, codec) {
  if (transport === "webrtc") return "WebRTC";
  return codec === "opus" ? "WebSocket with Opus" : "WebSocket";
}

/**
 * @param {string} connection
 * @param {Stage} recognition
 * @param {Stage} voice
 */
function summary(connection, recognition, voice) {
  if (recognition === "server" && voice === "server") return connection;
  const parts = [];
  if (recognition !== "server") parts.push(recognition === "browser" ? "browser speech recognition" : "text input only");
  if (voice !== "server") parts.push(voice === "browser" ? "browser voice" : "text replies");
  return `${connection}, ${parts.join(", ")}`;
}
