/** What went wrong on the caption pages, in words that say what to do there. Pure. */

import { asProblem, Problem, serverProblem } from "../lib/problems.js";

/** @typedef {{code: string | null, message: string, type?: string, param?: string | null}} ServerError */

/** @type {Record<string, [message: string, advice: string]>} by the server's code */
const KNOWN = {
  caption_room_limit_reached: ["All caption rooms of this server are in use.", "Try again later."],
  caption_file_in_progress: ["Another file is being captioned in this room.", "Wait until it is done, or use another room."],
  caption_room_not_found: ["There are no captions in this room any more.", ""],
  caption_not_found: ["This caption is gone.", "The captions may have been cleared."],
};
const TRANSCRIPTION = "session.audio.input.transcription.";
const KEYWORDS = `${TRANSCRIPTION}keywords`;

/**
 * Return the problem of an error that the server sent in a session or in the stream of a file.
 *
 * @param {ServerError} error
 */
export function captionProblem(error) {
  const told = knownProblem(error.code, error.message);
  if (told) return told;
  const { code, message, advice, detail } = serverProblem(error);
  if (error.param?.startsWith(KEYWORDS)) {
    return new Problem(code, "The server can't use this vocabulary.", "Captions go on without it.", detail);
  }
  if (error.param?.startsWith(TRANSCRIPTION)) return new Problem(code, message, "Captions go on with the server's default.", detail);
  return new Problem(code, message, advice, detail);
}

/**
 * A sentence was heard, and no text came of it.
 *
 * @param {ServerError} error
 */
export function notRecognized({ message }) {
  return new Problem("not_recognised", "A sentence couldn't be recognised.", "Say it again.", message);
}

/**
 * The recogniser that the server was to load is not there.
 *
 * @param {string} model
 * @param {ServerError} error
 */
export function recognizerFailed(model, { message }) {
  return new Problem("recogniser_failed", `The speech recogniser ${model} couldn't be loaded.`, "Choose another one on this page.", message);
}

/**
 * Return the problem of a request about a room that failed.
 *
 * @param {unknown} error  anything that was thrown
 */
export function requestProblem(error) {
  const problem = asProblem(error);
  return knownProblem(problem.code, problem.detail) ?? problem;
}

/**
 * Something that the user wanted was not done, and why.
 *
 * @param {string} code
 * @param {string} message  what was not done
 * @param {unknown} error  anything that was thrown
 */
export function notDone(code, message, error) {
  const why = requestProblem(error);
  return new Problem(code, message, `${why.message} ${why.advice}`.trim(), why.detail);
}

/**
 * @param {string | null} code
 * @param {string} detail
 */
function knownProblem(code, detail) {
  const known = code === null ? undefined : KNOWN[code];
  return known && code ? new Problem(code, known[0], known[1], detail) : null;
}
