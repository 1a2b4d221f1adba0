import { BrowserRecognizer } from "./browser-recognizer.js";
import { BrowserVoice } from "./browser-voice.js";
import { Emitter } from "./emitter.js";
import { newItemId } from "./item-id.js";
import { serverVoiceFailed } from "./problems.js";
import { UnvoicedText } from "./unvoiced-text.js";

/**
 * The browser's own recognition and voice, for stages that a server lacks. They alternate, because the browser does not
 * remove its own voice from the recogniser's input. Recognised and spoken text goes into the transcript.
 *
 * @extends {Emitter<{
 *   changed: null,
 *   hearing: boolean,
 *   asked: {id: string, text: string},
 *   speaking: boolean,
 *   problem: {problem: import("./problems.js").Problem, browserHears?: false, browserSpeaks?: false},
 * }>}  `changed`: the transcript changed; `asked`: the user said a whole utterance
 */
export class BrowserStages extends Emitter {
  static hears = BrowserRecognizer.supported;
  static speaks = BrowserVoice.supported;

  #recognizer;
  #voice;
  #transcript;
  #wanted = false;
  #speaking = false;
  #unvoiced = new UnvoicedText();
  #utterance = "";

  /**
   * @param {() => import("./browser-voice.js").Manner} manner  how it speaks, and which language it hears
   * @param {import("./transcript.js").Transcript} transcript
   */
  constructor(manner, transcript) {
    super();
    this.#transcript = transcript;
    this.#recognizer = new BrowserRecognizer(() => manner().language);
    this.#voice = new BrowserVoice(manner);
    this.#recognizer.on("partial", (text) => this.#heard(text, false));
    this.#recognizer.on("final", (text) => this.#heard(text, true));
    this.#recognizer.on("problem", (problem) => {
      this.#wanted = false;
      this.emit("problem", { problem, browserHears: false });
    });
    this.#voice.on("speaking", (speaking) => this.#speaks(speaking));
    this.#voice.on("spoken", ({ itemId, text }) => {
      transcript.spokenSentence(itemId, text);
      this.emit("changed", null);
    });
    this.#voice.on("cut", (itemId) => {
      transcript.cutSpoken(itemId);
      this.emit("changed", null);
    });
    this.#voice.on("drained", (itemId) => {
      transcript.playedAll(itemId);
      this.emit("changed", null);
    });
    this.#voice.on("problem", (problem) => this.emit("problem", { problem, browserSpeaks: false }));
  }

  /** @param {boolean} wanted  whether to recognise speech */
  hear(wanted) {
    this.#wanted = wanted;
    this.#arrange();
  }

  /**
   * Speak a text reply while it arrives.
   *
   * @param {import("./transcript.js").ServerEvent} event
   */
  speak(event) {
    if (event.type === "response.output_text.delta") this.#voice.feed(event.item_id, event.delta);
    else if (event.type === "response.output_text.done") this.#voice.finish(event.item_id);
  }

  /**
   * Speak the rest of each spoken reply whose voice failed, while it arrives, and after the audio that there is.
   *
   * @param {import("./server-link.js").ServerLink} link
   */
  follow(link) {
    link.on("event", (event) => this.#take(event));
    link.on("progress", (played) => this.#speakPieces(this.#unvoiced.played(played)));
    link.on("doing", (change) => "playing" in change && change.playing && this.#voice.cancel()); // one voice at a time
  }

  /** Stop speaking. */
  cancel() {
    this.#unvoiced.clear();
    this.#voice.cancel();
  }

  /** @param {import("./transcript.js").ServerEvent} event */
  #take(event) {
    if (event.type === "response.done" && event.response.status === "cancelled") return this.cancel();
    if (event.type === "streamsrv.voice.failed") {
      this.emit("problem", { problem: serverVoiceFailed(event.error.message, BrowserStages.speaks) });
    }
    this.#speakPieces(this.#unvoiced.take(event));
  }

  /** @param {import("./unvoiced-text.js").Piece[]} pieces */
  #speakPieces(pieces) {
    for (const { itemId, text, language, last } of pieces) {
      if (BrowserStages.speaks) {
        this.#voice.feed(itemId, text, language);
        if (last) this.#voice.finish(itemId);
      } else if (last) {
        this.#transcript.playedAll(itemId); // the user reads it
        this.emit("changed", null);
      }
    }
  }

  close() {
    this.hear(false);
    this.cancel();
  }

  /** @param {boolean} speaking */
  #speaks(speaking) {
    if (speaking === this.#speaking) return;
    this.#speaking = speaking;
    this.#arrange();
    this.emit("speaking", speaking);
  }

  /**
   * @param {string} text
   * @param {boolean} final
   */
  #heard(text, final) {
    this.#utterance ||= newItemId();
    const id = this.#utterance;
    this.#transcript.putUser(id, final ? text : "", { tentative: final ? "" : text, spoken: true });
    this.emit("changed", null);
    this.emit("hearing", !final);
    if (!final) return;
    this.#utterance = "";
    this.emit("asked", { id, text });
  }

  #arrange() {
    if (this.#wanted && !this.#speaking) this.#recognizer.start();
    else this.#recognizer.stop();
  }
}
