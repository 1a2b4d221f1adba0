/** Cuts a text into requests for speech, and joins the bytes that come to samples. Pure. */

const MAX_INPUT = 4096; // characters of one request

/**
 * @param {string} text
 * @returns {string[]} parts that a request may have, cut at paragraphs, sentences or words
 */
export function inParts(text) {
  const parts = [];
  let rest = text.trim();
  while (rest.length > MAX_INPUT) {
    const most = rest.slice(0, MAX_INPUT);
    const at = [most.lastIndexOf("\n\n"), most.lastIndexOf(". ") + 1, most.lastIndexOf(" ")].find((each) => each > 0);
    const cut = at ?? MAX_INPUT;
    parts.push(rest.slice(0, cut));
    rest = rest.slice(cut).trim();
  }
  return rest ? [...parts, rest] : parts;
}

/** Makes samples of bytes, which may come in odd numbers. */
export class PcmJoiner {
  #left = new Uint8Array(0);

  /**
   * @param {Uint8Array<ArrayBuffer>} bytes
   * @returns {Int16Array<ArrayBuffer>}
   */
  add(bytes) {
    const all = new Uint8Array(this.#left.length + bytes.length);
    all.set(this.#left);
    all.set(bytes, this.#left.length);
    const whole = all.length - (all.length % 2);
    this.#left = all.slice(whole);
    return new Int16Array(all.buffer.slice(0, whole));
  }
}
