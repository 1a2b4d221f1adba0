import { microphoneProblem, Problem } from "./problems.js";

/**
 * Open a microphone with echo cancellation; without it the server would hear its own voice.
 *
 * @param {{deviceId?: string}} [options]  the device to use; a missing device falls back to the default
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
 * List the microphones. Their names are empty until the user has allowed one.
 *
 * @returns {Promise<MediaDeviceInfo[]>}
 */
export async function listMicrophones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.filter((device) => device.kind === "audioinput" && device.deviceId);
}

/**
 * @param {() => void} listener  called when a device was plugged in or unplugged
 * @returns {() => void} removes it
 */
export function onDevicesChanged(listener) {
  navigator.mediaDevices?.addEventListener("devicechange", listener);
  return () => navigator.mediaDevices?.removeEventListener("devicechange", listener);
}
