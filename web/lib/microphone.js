import { microphoneProblem, Problem } from "./problems.js";

/**
 * Ask for a microphone, with echo cancellation: without it the server hears its own voice.
 *
 * @param {{deviceId?: string}} [options]  the device to use; one that is not there any more falls back to the default
 * @returns {Promise<MediaStream>} throws a `Problem` in plain words
 */
export async function openMicrophone({ deviceId = "" } = {}) {
  if (!navigator.mediaDevices) throw microphoneProblem("InsecureContext");
  /** @type {MediaTrackConstraints} */
  const audio = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  if (deviceId) audio.deviceId = { ideal: deviceId };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw error instanceof Problem ? error : microphoneProblem(/** @type {DOMException} */ (error).name);
  }
}

/**
 * The microphones of this machine. Their names are empty until one was allowed.
 *
 * @returns {Promise<MediaDeviceInfo[]>}
 */
export async function listMicrophones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.filter((device) => device.kind === "audioinput" && device.deviceId);
}

/**
 * @param {() => void} listener  called when a device was plugged in or out
 * @returns {() => void} removes it
 */
export function onDevicesChanged(listener) {
  navigator.mediaDevices?.addEventListener("devicechange", listener);
  return () => navigator.mediaDevices?.removeEventListener("devicechange", listener);
}
