/** What the page says about the state of a conversation: beside the talk button, and to a screen reader. Pure. */

/** @typedef {import("../lib/activity.js").Activity} Activity */
/** @typedef {import("../lib/session-options.js").Mode} Mode */
/** @typedef {{label: string, text: string}} Words  of the talk button, and below it */

/** @type {Record<Activity, Words>} */
const HANDS_FREE = {
  idle: { label: "Start talking", text: "Tap to talk" },
  connecting: { label: "Connecting", text: "Connecting…" },
  listening: { label: "Mute the microphone", text: "Listening" },
  hearing: { label: "Mute the microphone", text: "Hearing you…" },
  thinking: { label: "Stop the reply", text: "Thinking…" },
  replying: { label: "Stop the reply", text: "Replying…" },
  speaking: { label: "Stop the reply", text: "Speaking – talk or tap to interrupt" },
  held: { label: "Stop the reply", text: "Paused – go ahead" },
  paused: { label: "Unmute the microphone", text: "Microphone off – tap to talk, or type" },
  reconnecting: { label: "Try to connect now", text: "Reconnecting…" },
};
/** @type {Record<Activity, Words>} */
const PUSH_TO_TALK = {
  ...HANDS_FREE,
  idle: { label: "Hold to talk", text: "Hold the button, or the space bar, and talk" },
  paused: { label: "Hold to talk", text: "Hold the button, or the space bar, and talk" },
  listening: { label: "Hold to talk", text: "Listening – release when you're done" },
  hearing: { label: "Release when you're done", text: "Listening – release when you're done" },
  speaking: { label: "Hold to interrupt and talk", text: "Speaking – hold to interrupt" },
};
const ONLY_TYPING = { label: "Start talking", text: "Speech recognition isn't available – type a message" };
const OFFLINE = { label: "Try to connect now", text: "Not connected – tap to try again" };

/**
 * @param {Activity} activity
 * @param {Mode} mode
 * @param {Pick<import("../lib/path.js").Path, "recognition" | "transport">} path
 * @param {boolean} listens  whether what is said now is heard
 * @returns {Words}
 */
export function stateWords(activity, mode, path, listens) {
  if (isOffline(activity, path)) return OFFLINE;
  if (activity === "paused" && path.recognition === "none") return ONLY_TYPING;
  const words = (mode === "push-to-talk" ? PUSH_TO_TALK : HANDS_FREE)[activity];
  const deaf = activity === "speaking" && mode === "hands-free" && !listens;
  return deaf ? { ...words, text: "Speaking – tap to interrupt" } : words;
}

/**
 * Whether there is no server, and nothing that works without one.
 *
 * @param {Activity} activity
 * @param {Pick<import("../lib/path.js").Path, "recognition" | "transport">} path
 */
export function isOffline(activity, { recognition, transport }) {
  return activity === "paused" && recognition === "none" && transport === "none";
}

/** @type {readonly Activity[]} */
const NOT_CONNECTED = ["idle", "connecting", "reconnecting"];

/**
 * Return what a screen reader says when the activity changes; empty: nothing. It tells when to speak, and when nothing
 * listens. It is silent on turns and replies: those are heard, or announced as messages. While a button is held it is
 * silent, because the microphone would hear it. A lost connection is announced by its notice.
 *
 * @param {Activity} before
 * @param {Activity} now
 * @param {Mode} mode
 * @param {string} text  what is shown now
 */
export function stateAnnouncement(before, now, mode, text) {
  if (now === "idle") return before === "idle" ? "" : "Not connected";
  if (now === "connecting") return text;
  if (now !== "listening" && now !== "paused") return "";
  if (NOT_CONNECTED.includes(before)) return `Connected. ${text}`;
  const switched = now === "listening" ? before === "paused" : before === "listening";
  return switched && mode === "hands-free" ? text : "";
}
