/** Fakes of what the library asks of a browser. Import it before the library. */

globalThis.addEventListener = () => {};
globalThis.removeEventListener = () => {};

/** A server at the other end of a WebSocket: accepts every session. */
export class FakeWebSocket {
  static OPEN = 1;
  /** @type {FakeWebSocket[]} */
  static all = [];
  /** Whether connections come about. */
  static reachable = true;

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
  }

  send(text) {
    const event = JSON.parse(text);
    this.sent.push(event);
    if (event.type === "session.update") setImmediate(() => this.receive({ type: "session.updated" }));
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
    setImmediate(() => this.receive({ type: "session.created" })); // a task of its own, as in browsers
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
