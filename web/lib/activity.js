/** What a session is doing, in one word. Pure. */

/**
 * @typedef {"idle" | "connecting" | "listening" | "hearing" | "thinking" | "speaking" | "held" | "paused" | "reconnecting"} Activity
 *   `paused`: connected, but nothing is heard (muted, push-to-talk, or no microphone); `held`: the reply is silent while
 *   the server decides whether it was interrupted
 */

/**
 * @typedef {object} Doing
 * @property {"idle" | "connecting" | "open" | "reconnecting"} connection
 * @property {boolean} listening  what the microphone hears goes to the recogniser
 * @property {boolean} hearing  somebody speaks
 * @property {boolean} answering  a turn ended and its answer is not complete
 * @property {boolean} playing
 * @property {boolean} held
 */

/**
 * @param {Doing} doing
 * @returns {Activity}
 */
export function activity(doing) {
  if (doing.connection !== "open") return doing.connection;
  if (doing.held) return "held";
  if (doing.hearing) return "hearing";
  if (doing.playing) return "speaking";
  if (doing.answering) return "thinking";
  return doing.listening ? "listening" : "paused";
}
