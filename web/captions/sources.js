/** Opens sources of captions: a microphone, the sound of another tab, a file. */

import { openMicrophone, Problem } from "../lib/index.js";
import { microphoneLost } from "../lib/problems.js";

/**
 * @typedef {object} Source
 * @property {MediaStream} stream
 * @property {() => void} close
 * @property {(held: boolean) => void} [hold]  stop for a while what can be stopped
 * @property {Promise<Problem | null>} ended  resolves at the end of the audio; with a problem if the end was unexpected
 */

/**
 * @param {string} deviceId  empty: the default
 * @returns {Promise<Source>} throws a `Problem`
 */
export async function fromMicrophone(deviceId) {
  const stream = await openMicrophone({ deviceId }).catch((error) => {
    throw withAdvice(error);
  });
  return { ...streamSource(stream), ended: endOf(stream).then(() => withAdvice(microphoneLost())) };
}

/** @type {Record<string, string>} what to do here, where one cannot type instead */
const ADVICE = {
  microphone_denied: "Allow it in the address bar (the microphone or lock symbol), then start again.",
  microphone_missing: "Plug one in, or choose another source.",
  microphone_failed: "Try again, or choose another microphone.",
  microphone_lost: "Plug it in again or choose another one, then start again.",
  insecure_page: "Open this page over https, or on this machine as http://127.0.0.1.",
};

/** @param {Problem} problem  of a microphone */
function withAdvice({ code, message, advice }) {
  return new Problem(code, message, ADVICE[code] ?? advice);
}

/**
 * The sound of a tab or of the whole screen, which the browser lets the user choose.
 *
 * @returns {Promise<Source>} throws a `Problem`
 */
export async function fromTab() {
  if (!navigator.mediaDevices?.getDisplayMedia) {
    throw withoutTabs();
  }
  let stream;
  try {
    // No browser shares sound without a picture; the picture is not used.
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    stream = await navigator.mediaDevices.getDisplayMedia({ video: true, audio });
  } catch {
    throw new Problem("tab_denied", "No tab was shared.", "Press “Start captions” again and choose one.");
  }
  if (stream.getAudioTracks().length === 0) {
    for (const track of stream.getTracks()) track.stop();
    if (!sharesSound()) throw withoutTabs();
    throw new Problem(
      "tab_silent",
      "The tab was shared without its sound.",
      "Press “Start captions” again, choose a tab, and switch on “Also share tab audio”.",
    );
  }
  return { ...streamSource(stream), ended: endOf(stream).then(() => null) };
}

function withoutTabs() {
  return new Problem("no_tab_audio", "This browser can't share the sound of a tab.", "Use Chrome or Edge on a computer.");
}

/** Whether the browser can share sound at all. Firefox and Safari share pictures only, and do not say so. */
function sharesSound() {
  return "suppressLocalAudioPlayback" in navigator.mediaDevices.getSupportedConstraints();
}

/**
 * The sound of an audio or video element, which stays audible.
 *
 * @param {AudioContext} context
 * @param {HTMLMediaElement} player
 * @returns {Promise<Source>} throws a `Problem`
 */
export async function fromPlayer(context, player) {
  if (!player.src) throw new Problem("no_file", "No file was chosen.", "Choose a recording first.");
  const node = nodeOf(context, player);
  const destination = context.createMediaStreamDestination();
  node.connect(destination);
  if (player.ended) player.currentTime = 0;
  try {
    await player.play();
  } catch {
    node.disconnect(destination);
    throw new Problem("unplayable", "This file can't be played here.", "Choose another one; WAV, MP3 and MP4 work everywhere.");
  }
  const hold = (/** @type {boolean} */ held) => (held ? player.pause() : void player.play());
  const close = () => {
    player.pause();
    node.disconnect(destination);
  };
  /** @type {Promise<null>} */
  const ended = new Promise((resolve) => player.addEventListener("ended", () => resolve(null), { once: true }));
  return { stream: destination.stream, close, hold, ended };
}

/** @type {WeakMap<HTMLMediaElement, MediaElementAudioSourceNode>} */
const nodes = new WeakMap(); // an element can only ever have one node

/**
 * @param {AudioContext} context
 * @param {HTMLMediaElement} player
 */
function nodeOf(context, player) {
  const known = nodes.get(player);
  if (known) return known;
  const node = context.createMediaElementSource(player);
  node.connect(context.destination);
  nodes.set(player, node);
  return node;
}

/** @param {MediaStream} stream */
function streamSource(stream) {
  const close = () => {
    for (const track of stream.getTracks()) track.stop();
  };
  return { stream, close };
}

/**
 * @param {MediaStream} stream
 * @returns {Promise<void>} resolves when the device is gone, or the sharing was stopped
 */
function endOf(stream) {
  return new Promise((resolve) => {
    for (const track of stream.getAudioTracks()) track.addEventListener("ended", () => resolve(), { once: true });
  });
}
