import { BrowserStages } from "./browser-stages.js";
import { Emitter } from "./emitter.js";
import { nothingHeard } from "./problems.js";
import { PushToTalk } from "./push-to-talk.js";
import { VoiceInput } from "./voice-input.js";

/**
 * @typedef {object} Circumstances
 * @property {boolean} active  there is a session, or one is opening
 * @property {import("./path.js").Stage} recognition  who recognises speech
 * @property {boolean} echoes  the microphone would pick up the sound that is playing
 * @property {import("./session-options.js").VoiceSessionOptions} options
 */

/**
 * Routes speech: through the microphone to the server, through the browser's recogniser, or not at all. Nothing listens
 * before the user presses a button; typing does not start it.
 *
 * @extends {Emitter<{
 *   level: number,
 *   problem: import("./problems.js").Problem,
 *   consent: null,
 *   doing: {listening: boolean, hearing?: boolean},
 * }>}  `consent`: the browser's recogniser could be used, if the user agrees
 */
export class SpeechInput extends Emitter {
  #circumstances;
  #link;
  #browser;
  #finder;
  #input;
  #button;
  #wanted = false;
  #recognizerFailed = false; // the browser's
  /** @type {Promise<void> | null} of a microphone that is being opened */
  #opened = null;
  #muted = false;
  #refused = false; // no microphone could be opened since the user asked to be heard

  /**
   * @param {() => Circumstances} circumstances
   * @param {import("./audio-engine.js").AudioEngine} audio
   * @param {import("./server-link.js").ServerLink} link
   * @param {import("./browser-stages.js").BrowserStages} browser
   * @param {import("./path-finder.js").PathFinder} finder  learns whether the browser's recogniser is used, or could be
   */
  constructor(circumstances, audio, link, browser, finder) {
    super();
    this.#circumstances = circumstances;
    this.#link = link;
    this.#browser = browser;
    this.#finder = finder;
    this.#button = new PushToTalk(link);
    this.#input = new VoiceInput(audio);
    browser.on("problem", ({ browserHears }) => {
      this.#recognizerFailed ||= browserHears === false;
      this.learnRecognizer();
    });
    this.#input.on("pcm", (pcm) => {
      this.#button.heard();
      link.appendAudio(pcm);
    });
    this.forward(this.#input, "level", "problem");
    this.#input.on("stream", async (stream) => {
      await link.replaceStream(stream);
      this.arrange();
    });
  }

  /** Whether the talk button is held. */
  get pressed() {
    return this.#button.pressed;
  }

  /** Stream of the microphone; null: it is not open. */
  get stream() {
    return this.#input.stream;
  }

  /** Whether the user has asked to be heard. */
  get wanted() {
    return this.#wanted;
  }

  get muted() {
    return this.#muted;
  }

  /** @param {boolean} wanted  whether the user has asked to be heard */
  want(wanted) {
    this.#wanted = wanted;
    if (wanted) this.#muted = this.#refused = false;
  }

  /** @param {boolean} muted  unmuting opens a microphone if none is open */
  setMuted(muted) {
    this.#muted = muted;
    if (!muted) this.want(true);
    this.listen();
  }

  /**
   * Listen in the way there is, if the user has asked to be heard. Resolves when the microphone is open, or why not was told.
   * A microphone that was refused is not asked for again before the user asks to be heard again.
   *
   * @param {boolean} [again]  open the microphone also if one is open
   */
  async listen(again = false) {
    this.arrange();
    if (!this.#wanted) return;
    const { recognition, options } = this.#circumstances();
    const missing = this.stream === null && !this.#refused;
    if (recognition === "server" && (again || missing)) await this.open(options.deviceId, again);
    if (recognition === "none" && this.#recognizerWorks && options.browserRecognition === "ask") {
      this.emit("consent", null);
    }
  }

  /**
   * Open the microphone. Resolves when it is open, or why not was told.
   *
   * @param {string} deviceId
   * @param {boolean} [again]  also if it is being opened already
   */
  async open(deviceId, again = true) {
    if (again || this.#opened === null) {
      const opened = this.#input.open(deviceId).then(() => {
        if (opened !== this.#opened) return;
        this.#opened = null;
        this.#refused = this.stream === null;
      });
      this.#opened = opened;
    }
    await this.#opened;
  }

  /** Whether the browser's recogniser is used, or could be. */
  learnRecognizer() {
    const works = this.#recognizerWorks;
    const allowed = this.#circumstances().options.browserRecognition === "allowed";
    this.#finder.learn({ browserHears: works && allowed, browserCouldHear: works });
  }

  /** The user wants to be heard, and tries again what failed. */
  forgive() {
    this.#recognizerFailed = false;
    this.learnRecognizer();
    this.want(true);
  }

  get #recognizerWorks() {
    return BrowserStages.hears && !this.#recognizerFailed;
  }

  /** Close the microphone. What it heard and the server did not is dropped. */
  shut() {
    this.#input.close();
    this.#opened = null;
    this.#link.dropTurn();
  }

  /** The talk button is pressed: what is said from here on is a turn. */
  press() {
    this.want(true);
    this.#button.press();
    this.listen();
  }

  /**
   * The talk button was let go.
   *
   * @returns {Promise<boolean>} whether a turn went to the server
   */
  async release() {
    const released = this.#button.release();
    this.arrange();
    const turn = await released;
    if (turn === "silent" && this.stream !== null) this.emit("problem", nothingHeard());
    return turn === "sent";
  }

  /**
   * Whether the server has taken, or refused, a turn that was sent by the button; of each turn once.
   *
   * @param {import("./transcript.js").ServerEvent} event
   * @returns {"taken" | "refused" | null}
   */
  turnSettled(event) {
    if (!this.#button.committed) return null;
    const taken = event.type === "input_audio_buffer.committed";
    if (!taken && !(event.type === "error" && event.error.code === "input_audio_buffer_commit_empty")) return null;
    this.#button.committed = false;
    return taken ? "taken" : "refused";
  }

  /** Let speech in, or not, by what is wanted now. */
  arrange() {
    const { active, recognition, echoes, options } = this.#circumstances();
    if (recognition !== "server" && this.stream !== null) this.shut(); // nobody needs it
    const pushes = options.mode === "push-to-talk";
    const wanted = active && this.#wanted && !this.#muted && (!pushes || this.pressed);
    this.#input.setGate(wanted && recognition === "server" && !echoes);
    this.#browser.hear(wanted && recognition === "browser");
    const listening = wanted && (recognition === "browser" || (recognition === "server" && this.stream !== null));
    this.emit("doing", pushes ? { listening, hearing: listening } : { listening });
  }

  close() {
    this.#wanted = false;
    this.#button.committed = false;
    this.#input.close();
    this.#opened = null;
    this.#browser.hear(false);
  }
}
