/** Opus by the browser's own codecs (WebCodecs), for audio over WebSocket: one packet in each event. */

import { SAMPLE_RATE, toInt16 } from "./pcm.js";

/** The format as the session object names it. */
export const OPUS = "audio/opus";

const STREAM = { codec: "opus", sampleRate: SAMPLE_RATE, numberOfChannels: 1 };
/** @type {AudioEncoderConfig} */
const ENCODING = { ...STREAM, bitrate: 32_000, opus: { application: "voip", frameDuration: 20_000 } };
const PACKET_US = 20_000;

/** @returns {Promise<string>} why this browser cannot; empty: it can */
export async function whyNoOpus() {
  if (typeof AudioEncoder === "undefined" || typeof AudioDecoder === "undefined") return "the browser has no WebCodecs";
  const configs = [AudioEncoder.isConfigSupported(ENCODING), AudioDecoder.isConfigSupported(STREAM)];
  const supported = (await Promise.all(configs)).every((support) => support.supported);
  return supported ? "" : "the browser's WebCodecs cannot do it";
}

/** The microphone to packets. */
export class OpusEncoder {
  #encoder;
  #timestamp = 0;

  /**
   * @param {(packet: Uint8Array<ArrayBuffer>) => void} send  called for each packet, in order
   * @param {(why: string) => void} failed  nothing comes any more
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

  /** Resolves when all that was given has been sent, with the end of it that the codec holds back. */
  async flush() {
    if (this.#encoder.state === "configured") await this.#encoder.flush().catch(() => {}); // it failed, and said so
  }

  close() {
    if (this.#encoder.state !== "closed") this.#encoder.close();
  }
}

/**
 * @typedef {object} Cuts  samples of a packet that are not part of what is said (`streamsrv` of its event)
 * @property {number} [pre_skip]  at its beginning
 * @property {number} [end_trim]  at its end
 */

/**
 * Packets of replies to what a speaker plays. Items come one after the other; the order in which the speaker is told of
 * their audio and their ends is kept.
 */
export class OpusPlayer {
  #speaker;
  #failed;
  /** @type {AudioDecoder | null} */
  #decoder = null;
  /** @type {(Cuts & {itemId: string})[]} packets in the decoder, which gives a block for each */
  #decoding = [];
  #itemId = ""; // whose packets the decoder gets
  #timestamp = 0;

  /**
   * @param {Pick<import("./speaker.js").Speaker, "play" | "finish">} speaker
   * @param {(why: string) => void} failed  what comes next will not be decoded
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

  /** @param {string} itemId  all of its packets were given, or none */
  finish(itemId) {
    if (itemId !== this.#itemId) return this.#speaker.finish(itemId);
    this.#itemId = "";
    this.#flush().then((done) => done && this.#speaker.finish(itemId));
  }

  /** Drop what is being decoded. The speaker has then heard of every item, so that it can tell that they ended. */
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

  /** @returns {Promise<boolean>} whether all that was given came out */
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
 * Browsers decode Opus at 48 kHz. It was encoded at 24, so that there is nothing above 12 kHz in it, and every second
 * sample says it all.
 *
 * @param {AudioData} data
 */
function samplesOf(data) {
  const samples = new Float32Array(data.numberOfFrames);
  data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
  const step = data.sampleRate / SAMPLE_RATE;
  return toInt16(samples.filter((_, i) => i % step === 0));
}
