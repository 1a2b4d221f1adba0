/** Fakes of what the library asks of a browser. Import it before the library. */

globalThis.addEventListener = () => {};
globalThis.removeEventListener = () => {};

/** A server at the other end of a WebSocket: accepts every session, and Opus unless `takesOpus` is false. */
export class FakeWebSocket {
  static OPEN = 1;
  /** @type {FakeWebSocket[]} */
  static all = [];
  /** Whether connections come about. */
  static reachable = true;
  static takesOpus = true;

  readyState = 0;
  bufferedAmount = 0;
  /** @type {any[]} */
  sent = [];

  constructor(url, protocols) {
    this.url = String(url);
    this.protocols = protocols;
    FakeWebSocket.all.push(this);
    setImmediate(() => (FakeWebSocket.reachable ? this.#open() : this.onerror?.({})));
  }

  static get last() {
    return FakeWebSocket.all.at(-1);
  }

  static reset() {
    FakeWebSocket.all = [];
    FakeWebSocket.reachable = true;
    FakeWebSocket.takesOpus = true;
  }

  send(text) {
    const event = JSON.parse(text);
    this.sent.push(event);
    if (event.type === "session.update") setImmediate(() => this.receive(this.#answer(event)));
  }

  #answer({ event_id, session }) {
    const format = session.audio?.input?.format;
    if (format && !FakeWebSocket.takesOpus) return { type: "error", error: { event_id, message: "No audio/opus here." } };
    return { type: "session.updated", session: { audio: { input: { format: format ?? { type: "audio/pcm" } } } } };
  }

  receive(event) {
    this.onmessage?.({ data: JSON.stringify(event) });
  }

  /** The network is gone. */
  drop() {
    this.readyState = 3;
    this.onclose?.({ code: 1006, reason: "" });
  }

  close() {
    this.readyState = 3;
  }

  #open() {
    this.readyState = FakeWebSocket.OPEN;
    this.onopen?.({});
    setImmediate(() => this.receive({ type: "session.created", session: { type: "realtime" } })); // a task of its own, as in browsers
  }
}
globalThis.WebSocket = FakeWebSocket;

/** A `SpeechRecognition` that does nothing by itself. */
export class FakeSpeechRecognition {
  /** @type {FakeSpeechRecognition[]} */
  static all = [];

  constructor() {
    FakeSpeechRecognition.all.push(this);
  }

  static get last() {
    return FakeSpeechRecognition.all.at(-1);
  }

  start() {}

  abort() {
    this.aborted = true;
  }

  hear(transcript, isFinal) {
    this.onresult?.({ resultIndex: 0, results: [Object.assign([{ transcript }], { isFinal })] });
  }
}
globalThis.SpeechRecognition = FakeSpeechRecognition;

/** A `speechSynthesis` that does nothing by itself. */
export const fakeSpeech = {
  /** @type {any[]} */
  spoken: [],
  cancelled: 0,
  speak(utterance) {
    this.spoken.push(utterance);
  },
  cancel() {
    this.cancelled += 1;
  },
};
globalThis.speechSynthesis = fakeSpeech;
globalThis.SpeechSynthesisUtterance = class {
  constructor(text) {
    this.text = text;
  }
};

/** Results that come a task later each, in order, until it is closed: as of the browser's codecs. */
class FakeCodec {
  state = "unconfigured";
  #tasks = Promise.resolve();

  constructor({ output, error }) {
    this.output = output;
    this.error = error;
  }

  static async isConfigSupported(config) {
    return { supported: config.codec === "opus" };
  }

  configure() {
    this.state = "configured";
  }

  give(result) {
    this.#then(() => this.output(result));
  }

  flush() {
    this.#then(() => {});
    const flushed = this.#tasks;
    return flushed.then(() => {
      if (this.state === "closed") throw new DOMException("closed", "AbortError");
    });
  }

  close() {
    this.state = "closed";
  }

  fail(message) {
    this.close();
    this.error({ message });
  }

  #then(task) {
    this.#tasks = this.#tasks.then(
      () => new Promise((resolve) => setImmediate(() => (this.state === "closed" || task(), resolve()))),
    );
  }
}

/** Packets of one byte: the first sample of what was given. */
export class FakeAudioEncoder extends FakeCodec {
  static last = null;

  constructor(callbacks) {
    super(callbacks);
    FakeAudioEncoder.last = this;
  }

  encode({ samples }) {
    this.give({ byteLength: 1, copyTo: (packet) => (packet[0] = samples[0]) });
  }
}

/** Makes 20 ms at 48 kHz of each packet, whose samples at 24 kHz and 16 bit are 0, 1, 2 and so on. */
export class FakeAudioDecoder extends FakeCodec {
  decode() {
    const copyTo = (samples) => samples.forEach((_, i) => (samples[i] = (Math.floor(i / 2) + 0.5) / 0x7fff));
    this.give({ numberOfFrames: 960, sampleRate: 48_000, copyTo, close() {} });
  }
}

export class FakeAudioData {
  constructor({ data }) {
    this.samples = data.slice();
  }

  close() {}
}

/** The browser has WebCodecs, or not. */
export function setWebCodecs(there) {
  globalThis.AudioEncoder = there ? FakeAudioEncoder : undefined;
  globalThis.AudioDecoder = there ? FakeAudioDecoder : undefined;
  globalThis.AudioData = FakeAudioData;
  globalThis.EncodedAudioChunk = class {
    constructor({ data }) {
      this.data = data;
    }
  };
}
