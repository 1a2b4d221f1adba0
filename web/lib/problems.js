/** Error messages for users: what happened, and what to do about it. Pure. */

/**
 * An error whose message is shown to the user.
 */
export class Problem extends Error {
  /**
   * @param {string} code  for programs
   * @param {string} message  what happened
   * @param {string} [advice]  what to do about it
   * @param {string} [detail]  for who looks closer: what the program at fault said
   */
  constructor(code, message, advice = "", detail = "") {
    super(message);
    this.name = "Problem";
    this.code = code;
    this.advice = advice;
    this.detail = detail;
  }
}

/** What a client may ask for just too late: what it wanted is so already. */
const HARMLESS = ["response_cancel_not_active", "item_delete_invalid_item_id", "item_truncate_invalid_item_id"];

/**
 * Whether nothing is wrong after an error of the server: the response has ended, or the item is gone.
 *
 * @param {{code: string | null}} error
 */
export function isHarmless({ code }) {
  return code !== null && HARMLESS.includes(code);
}

/**
 * @param {unknown} error  anything that was thrown
 * @returns {Problem}
 */
export function asProblem(error) {
  return error instanceof Problem ? error : new Problem("failed", "Something went wrong in this page.", "If something doesn't work now, reload the page.", String(error));
}

/**
 * Why there is no microphone.
 *
 * @param {string} errorName  of the DOMException that `getUserMedia` threw
 * @returns {Problem}
 */
export function microphoneProblem(errorName) {
  switch (errorName) {
    case "NotAllowedError":
    case "SecurityError":
      return new Problem(
        "microphone_denied",
        "Microphone access is blocked.",
        "Allow it in the address bar, then try again – or just type.",
      );
    case "NotFoundError":
    case "OverconstrainedError":
      return new Problem(
        "microphone_missing",
        "No microphone was found.",
        "Plug one in, or choose another in the settings. You can type meanwhile.",
      );
    case "NotReadableError":
    case "AbortError":
      return new Problem(
        "microphone_busy",
        "The microphone couldn't be opened.",
        "Another program may be using it. Close that, then try again.",
      );
    case "InsecureContext":
      return new Problem(
        "insecure_page",
        "Browsers allow the microphone only on secure (https) pages.",
        "Open this page over https, or on this machine as http://127.0.0.1. You can type meanwhile.",
      );
    default:
      return new Problem(
        "microphone_failed",
        "The microphone doesn't work.",
        "Try again, or choose another in the settings. You can type meanwhile.",
        errorName,
      );
  }
}

/**
 * The recogniser that the user chose cannot be had now.
 *
 * @param {string} chosen  its name
 * @param {string} why
 * @param {string} used  the name of the one that recognises speech
 */
export function otherRecognizer(chosen, why, used) {
  const advice = `${used} is used instead. You can choose another one in the settings.`;
  return new Problem("recogniser_unavailable", `The speech recogniser ${chosen} can't be used: ${why}.`, advice);
}

/**
 * The server does not have the voice that the user chose.
 *
 * @param {string} chosen  its name
 */
export function otherVoice(chosen) {
  const advice = "The server's default voice speaks instead. You can choose another one in the settings.";
  return new Problem("voice_unavailable", `The server has no voice ${chosen}.`, advice);
}

/**
 * The recogniser does not know the language that the user chose.
 *
 * @param {string} language  its name
 * @param {string} used  the name of the recogniser
 */
export function unknownLanguage(language, used) {
  const advice = "Choose another recogniser or another language in the settings.";
  return new Problem("language_unknown", `The speech recogniser ${used} doesn't know ${language}.`, advice);
}

/** The microphone that was in use is gone. */
export function microphoneLost() {
  return new Problem(
    "microphone_lost",
    "The microphone was unplugged.",
    "Plug it in again or choose another one in the settings. You can type meanwhile.",
  );
}

/**
 * Return why the browser's own recogniser does not work.
 *
 * @param {string} error  of `SpeechRecognitionErrorEvent`, or our own `no-response`
 * @returns {Problem}
 */
export function recognitionProblem(error) {
  switch (error) {
    case "network":
      return new Problem(
        "recognition_offline",
        "The browser's speech recognition can't reach its service.",
        "It works over the internet in most browsers. You can type instead.",
      );
    case "not-allowed":
    case "service-not-allowed":
      return microphoneProblem("NotAllowedError");
    case "audio-capture":
      return microphoneProblem("NotFoundError");
    case "language-not-supported":
      return new Problem(
        "recognition_language",
        "The browser doesn't recognise this language.",
        "You can type instead.",
      );
    default:
      return new Problem(
        "recognition_failed",
        "The browser's speech recognition doesn't work here.",
        "You can type instead.",
        error,
      );
  }
}

/**
 * The server's voice failed.
 *
 * @param {string} why
 * @param {boolean} browserSpeaks
 * @returns {Problem}
 */
export function serverVoiceFailed(why, browserSpeaks) {
  const advice = browserSpeaks ? "Your browser's voice speaks the rest of the reply." : "The rest of the reply is shown.";
  return new Problem("server_voice_failed", "The server's voice failed.", advice, why);
}

/** The page may not play sound yet. */
export function soundBlocked() {
  return new Problem(
    "sound_blocked",
    "The browser doesn't let this page play sound yet.",
    "Tap anywhere on the page.",
  );
}

const NO_PORT = "media_ports_in_use"; // refuses WebRTC only: a WebSocket needs no UDP port

/**
 * Return the problem of an HTTP error of the server.
 *
 * @param {number} status
 * @param {{message?: string, code?: string} | undefined} error  the `error` of its body
 * @returns {Problem}
 */
export function httpProblem(status, error) {
  const said = error?.message ?? `Status ${status}.`;
  if (status === 401) return new Problem("key_required", "This server needs an API key.", "Ask its administrator for one.", said);
  if (status === 403) return new Problem("refused", "The server refuses this page.", "Ask its administrator.", said);
  const code = error?.code ?? "server_error";
  if (status === 429) return new Problem(code, "The limit for this key or address is reached.", "Try again later.", said);
  if (status === 503 && code !== NO_PORT) return new Problem("server_full", "The server is busy.", "Try again in a moment.", said);
  return new Problem(code, "The server couldn't do this.", "Try again, or reload the page.", said);
}

/** The server does not answer. */
export function unreachable() {
  return new Problem(
    "unreachable",
    "The server can't be reached.",
    "Check that it runs and that this device is online.",
  );
}

/**
 * The server does not answer, and what works without it.
 *
 * @param {import("./path.js").Stage} recognition  who recognises speech now
 * @returns {Problem}
 */
export function withoutServer(recognition) {
  const { code, message, advice } = unreachable();
  if (recognition === "none") return new Problem(code, message, advice);
  return new Problem(
    code,
    message,
    "Your browser can transcribe what you say, but nothing will answer until the server is back.",
  );
}

/** A turn ended without sound. */
export function nothingHeard() {
  return new Problem("nothing_heard", "I didn't hear anything.", "Hold the button while you talk.");
}

/** What the user chose and the server may refuse, by the beginning of the parameter's name. */
const REFUSED = {
  "session.instructions": "The server doesn't accept these instructions.",
  "session.audio.input.transcription": "The server can't use the chosen speech recogniser or language.",
  "session.audio.output": "The server can't use the chosen voice.",
  "session.model": "The server can't use the chosen language model.",
};

/**
 * Return the problem of an error event of the server. What the server says is for programs: the user knows nothing of the
 * requests that the page makes.
 *
 * @param {{code: string | null, message: string, type?: string, param?: string | null}} error
 * @returns {Problem}
 */
export function serverProblem({ code, message, type, param }) {
  if (code === "input_audio_buffer_commit_empty") return nothingHeard();
  if (type === "rate_limit_error") {
    return new Problem("rate_limit_exceeded", "The server needs a pause.", "Try again in a moment.", message);
  }
  const refused = Object.entries(REFUSED).find(([name]) => param?.startsWith(name));
  if (refused) return new Problem("setting_refused", refused[1], "Change it in the settings.", message);
  if (type === "invalid_request_error") {
    return new Problem("misunderstanding", "The server didn't accept a request from this page.", "Reload the page, then try again.", message);
  }
  return new Problem(code ?? "server_error", "The server has a problem.", "Try again in a moment.", message);
}
