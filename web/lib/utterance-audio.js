/** What was sent lately, to be heard again when its session ends before the server has understood it. Pure. */

import { level } from "./pcm.js";

const MAX_BLOCKS = 600; // of 20 ms: 12 s
const ONSET_MS = 1200; // longest delay with which the server reports the start of speech
const TURN_PAUSE_MS = 150; // shortest pause in which a turn ends
const PAUSE_BLOCKS = 8; // a pause between two words
const PAUSE_LEVEL = 0.3; // -42 dBFS
const TRANSCRIPTION = "conversation.item.input_audio_transcription";

export class UtteranceAudio {
  /** @type {{pcm: Int16Array<ArrayBuffer>, at: number}[]} */
  #blocks = [];
  #recognising;
  /** Whether somebody speaks, as far as the server has told. */
  speaking = false;
  /** Whether the client has begun a turn that it ends itself. */
  #turn = false;
  /** When the server last sent anything: ms. */
  heardAt = 0;

  /** @param {ReadonlySet<string>} [recognising]  items that were said and are not written down yet */
  constructor(recognising = new Set()) {
    this.#recognising = new Set(recognising);
  }

  /** @returns {ReadonlySet<string>} items that were said and are not written down yet */
  get recognising() {
    return this.#recognising;
  }

  /** Whether an utterance began and did not end. */
  get inProgress() {
    return this.speaking || this.#turn;
  }

  /** Whether something was said that is not written down yet. */
  get busy() {
    return this.inProgress || this.#recognising.size > 0;
  }

  /** Whether there is a pause between two words. */
  get pauses() {
    const last = this.#blocks.slice(-PAUSE_BLOCKS);
    return last.length === PAUSE_BLOCKS && last.every(({ pcm }) => level(pcm) < PAUSE_LEVEL);
  }

  /**
   * @param {Int16Array<ArrayBuffer>} pcm  20 ms that were sent
   * @param {number} now  ms
   */
  push(pcm, now) {
    this.#blocks.push({ pcm: pcm.slice(), at: now }); // the block itself may be transferred
    if (this.#blocks.length > MAX_BLOCKS) this.#blocks.shift();
  }

  /**
   * @param {import("./transcript.js").ServerEvent} event
   * @param {number} now  ms
   */
  follow(event, now) {
    this.heardAt = now;
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        this.#blocks = this.#since(now - ONSET_MS);
        this.speaking = true;
        return;
      case "input_audio_buffer.committed":
        this.#blocks = this.#since(now - TURN_PAUSE_MS); // the rest was heard to its end
        this.speaking = this.#turn = false;
        this.#recognising.add(event.item_id);
        return;
      case "input_audio_buffer.cleared":
        this.speaking = false;
        return;
      case `${TRANSCRIPTION}.completed`:
      case `${TRANSCRIPTION}.failed`:
        this.#recognising.delete(event.item_id);
    }
  }

  /** A turn begins that the client ends itself: what came before is not part of it. */
  begin() {
    this.drop();
    this.#turn = true;
  }

  /** What was said is no part of anything. */
  drop() {
    this.#blocks = [];
    this.speaking = this.#turn = false;
  }

  /**
   * End the session; nothing is kept afterwards.
   *
   * @param {number} since  ms
   * @returns {Int16Array<ArrayBuffer>[]} what was sent since then, and all of an utterance in progress
   */
  take(since) {
    const blocks = this.inProgress ? this.#blocks : this.#since(since);
    this.drop();
    this.#recognising.clear();
    return blocks.map(({ pcm }) => pcm);
  }

  /** @param {number} ms */
  #since(ms) {
    return this.#blocks.filter(({ at }) => at >= ms);
  }
}
