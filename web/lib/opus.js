/** Encodes and decodes Opus with WebCodecs for audio over WebSocket: one packet in each event. */

import { SAMPLE_RATE, toInt16 } from "./pcm.js";

/** The format as the session object names it. */
export const OPUS = "audio/opus";

const STREAM = { codec: "opus", sampleRate: SAMPLE_RATE, numberOfChannels: 1 };
/** @type {AudioEncoderConfig} */
const ENCODING = { ...STREAM, bitrate: 32_000, opus: { application: "voip", frameDuration: 20_000 } };
const PACKET_US = 20_000;

/** @returns {Promise<string>} why this browser does not support it; empty: it does */
export async function whyNoOpus() {
  if (typeof AudioEncoder === "undefined" || typeof AudioDecoder === "undefined") return "the browser has no WebCodecs";
  const configs = [AudioEncoder.isConfigSupported(ENCODING), AudioDecoder.isConfigSupported(STREAM)];
  const supported = (await Promise.all(configs)).every((support) => support.supported);
  return supported ? "" : "the browser's WebCodecs cannot do it";
}

/** Encodes the microphone to packets. */
export class OpusEncoder {
  #encoder;
  #timestamp = 0;

  /**
   * @param {(packet: Uint8Array<ArrayBuffer>) => void} send  called for each packet, in order
   * @param {(why: string) => void} failed  no more packets come
   */
  constructor(send, failed) {
    this.#encoder = new AudioEncoder({
      output: (chunk) => {
        const packet = new Uint8Array(chunk.byteLength);
        chunk.copyTo(packet);
        send(packet);
      },
      error: ({ message }) => failed(message),
    });
    this.#encoder.configure(ENCODING);
  }

  /** @param {Int16Array<ArrayBuffer>} pcm  20 ms, mono, 24 kHz */
  encode(pcm) {
    if (this.#encoder.state !== "configured") return;
    const format = /** @type {const} */ ({ format: "s16", sampleRate: SAMPLE_RATE, numberOfChannels: 1 });
    const data = new AudioData({ ...format, numberOfFrames: pcm.length, timestamp: this.#timestamp, data: pcm });
    this.#timestamp += PACKET_US;
    this.#encoder.encode(data);
    data.close();
  }

  /** Resolves when all audio was sent, including the end that the codec holds back. */
  async flush() {
    if (this.#encoder.state === "configured") await this.#encoder.flush().catch(() => {}); // `failed` has reported it
  }

  close() {
    if (this.#encoder.state !== "closed") this.#encoder.close();
  }
}

/**
 * @typedef {object} Cuts  samples of a packet that are not speech (`streamsrv` of its event)
 * @property {number} [pre_skip]  at its beginning
 * @property {number} [end_trim]  at its end
 */

/**
 * Decodes the packets of replies for a speaker. Items come one after the other; the speaker gets their audio and their
 * ends in order.
 */
export class OpusPlayer {
  #speaker;
  #failed;
  /** @type {AudioDecoder | null} */
  #decoder = null;
  /** @type {(Cuts & {itemId: string})[]} packets in the decoder, which gives a block for each */
  #decoding = [];
  #itemId = ""; // item whose packets the decoder gets
  #timestamp = 0;

  /**
   * @param {Pick<import("./speaker.js").Speaker, "play" | "finish">} speaker
   * @param {(why: string) => void} failed  later packets are not decoded
   */
  constructor(speaker, failed) {
    this.#speaker = speaker;
    this.#failed = failed;
  }

  /**
   * @param {string} itemId
   * @param {Uint8Array<ArrayBuffer>} packet
   * @param {Cuts} [cuts]
   */
  play(itemId, packet, cuts) {
    this.#decoder ??= this.#open();
    if (itemId !== this.#itemId) {
      if (this.#itemId) this.#flush();
      this.#decoder.configure(STREAM); // each item is a stream of its own
      this.#itemId = itemId;
    }
    this.#decoding.push({ itemId, ...cuts });
    this.#decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: this.#timestamp, data: packet }));
    this.#timestamp += PACKET_US;
  }

  /** @param {string} itemId  the item without further packets */
  finish(itemId) {
    if (itemId !== this.#itemId) return this.#speaker.finish(itemId);
    this.#itemId = "";
    this.#flush().then((done) => done && this.#speaker.finish(itemId));
  }

  /** Drop the packets in the decoder. The speaker has been told of every item, so that it can report their ends. */
  clear() {
    for (const { itemId } of this.#decoding) this.#speaker.play(itemId, new Int16Array(0));
    this.#decoding = [];
    this.#itemId = "";
    const decoder = this.#decoder;
    this.#decoder = null;
    if (decoder && decoder.state !== "closed") decoder.close();
  }

  #open() {
    const decoder = new AudioDecoder({
      output: (data) => {
        if (decoder === this.#decoder) this.#decoded(data);
        data.close();
      },
      error: ({ message }) => {
        if (decoder !== this.#decoder) return;
        this.clear();
        this.#failed(message);
      },
    });
    return decoder;
  }

  /** @returns {Promise<boolean>} whether all packets were decoded */
  #flush() {
    return /** @type {AudioDecoder} */ (this.#decoder).flush().then(
      () => true,
      () => false,
    );
  }

  /** @param {AudioData} data */
  #decoded(data) {
    const packet = this.#decoding.shift();
    if (!packet) return;
    const { itemId, pre_skip = 0, end_trim = 0 } = packet;
    const pcm = samplesOf(data);
    this.#speaker.play(itemId, pcm.slice(pre_skip, pcm.length - end_trim));
  }
}

/**
 * Browsers decode Opus at 48 kHz. It was encoded at 24 kHz and has nothing above 12 kHz, so every second sample is
 * enough.
 *
 * @param {AudioData} data
 */
function samplesOf(data) {
  const samples = new Float32Array(data.numberOfFrames);
  data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
  const step = data.sampleRate / SAMPLE_RATE;
  return toInt16(samples.filter((_, i) => i % step === 0));
}
