/** Converts samples between floats, 16-bit integers and base64. Pure. */

/** Hz; of all audio between client and server over WebSocket. */
export const SAMPLE_RATE = 24_000;

/**
 * @param {Float32Array} samples  -1 to 1; values beyond are clipped
 * @returns {Int16Array<ArrayBuffer>}
 */
export function toInt16(samples) {
  const pcm = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i++) {
    const sample = Math.max(-1, Math.min(1, samples[i] ?? 0));
    pcm[i] = sample < 0 ? sample * 0x8000 : sample * 0x7fff;
  }
  return pcm;
}

/**
 * @param {Int16Array | Uint8Array} data
 * @returns {string} base64; of samples, their little-endian bytes (as all machines that run browsers store them)
 */
export function toBase64(data) {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let binary = "";
  const STEP = 8192; // arguments of one call are limited
  for (let i = 0; i < bytes.length; i += STEP) binary += String.fromCharCode(...bytes.subarray(i, i + STEP));
  return btoa(binary);
}

/**
 * @param {string} base64
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function bytesFromBase64(base64) {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/**
 * @param {string} base64  of little-endian 16-bit samples; an odd last byte is dropped
 * @returns {Int16Array<ArrayBuffer>}
 */
export function fromBase64(base64) {
  const { buffer } = bytesFromBase64(base64);
  return new Int16Array(buffer, 0, buffer.byteLength >> 1);
}

/**
 * Return the loudness of a block for a meter: 0 at -60 dBFS and below, 1 at full scale.
 *
 * @param {Int16Array} pcm
 */
export function level(pcm) {
  let sum = 0;
  for (const sample of pcm) sum += sample * sample;
  const rms = Math.sqrt(sum / Math.max(1, pcm.length)) / 0x8000;
  return Math.max(0, Math.min(1, 1 + (20 * Math.log10(rms + 1e-9)) / 60));
}
