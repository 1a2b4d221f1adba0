/**
 * A double of the browser's SpeechRecognition (https://webaudio.github.io/web-speech-api): the real one needs a service on the
 * internet. It hears what the test tells it to: `ScriptedSpeechRecognitionDouble.hear("what was said", { final: true })`.
 * As with the real one, `end` may never come: nothing here ends by itself.
 */
class ScriptedSpeechRecognitionDouble extends EventTarget {
  /** The one that was started last and not stopped. @type {ScriptedSpeechRecognitionDouble | null} */
  static current = null;
  continuous = false;
  interimResults = false;
  lang = "";
  #results = [];

  /** Every attribute `on...` is a listener, as in browsers. */
  dispatchEvent(event) {
    this[`on${event.type}`]?.(event);
    return super.dispatchEvent(event);
  }

  start() {
    if (ScriptedSpeechRecognitionDouble.current === this) throw new DOMException("already started", "InvalidStateError");
    ScriptedSpeechRecognitionDouble.current = this;
    this.#results = [];
    queueMicrotask(() => this.dispatchEvent(new Event("start")));
  }

  stop() {
    this.#end();
  }

  abort() {
    this.#end();
  }

  static hear(transcript, { final = false } = {}) {
    ScriptedSpeechRecognitionDouble.current.#hear(transcript, final);
  }

  static fail(error) {
    const current = ScriptedSpeechRecognitionDouble.current;
    current.dispatchEvent(Object.assign(new Event("error"), { error, message: "" }));
    current.#end();
  }

  #hear(transcript, final) {
    const result = Object.assign([{ transcript, confidence: 0.9 }], { isFinal: final });
    const resultIndex = this.#results.length - (this.#results.length > 0 && !this.#results.at(-1).isFinal ? 1 : 0);
    this.#results[resultIndex] = result;
    this.dispatchEvent(Object.assign(new Event("result"), { resultIndex, results: [...this.#results] }));
  }

  #end() {
    if (ScriptedSpeechRecognitionDouble.current !== this) return;
    ScriptedSpeechRecognitionDouble.current = null;
    queueMicrotask(() => this.dispatchEvent(new Event("end")));
  }
}

window.ScriptedSpeechRecognitionDouble = ScriptedSpeechRecognitionDouble;
window.SpeechRecognition = ScriptedSpeechRecognitionDouble;
window.webkitSpeechRecognition = ScriptedSpeechRecognitionDouble;
