import { Emitter } from "../lib/emitter.js";
import { CaptionText } from "./caption-text.js";
import { CaptionView } from "./caption-view.js";
import { CaptionFeed } from "./feed.js";
import { server } from "./place.js";

/** @typedef {import("./caption-text.js").Utterance} Utterance */

/**
 * Shows the captions of a room, as they come.
 *
 * @extends {Emitter<{
 *   room: import("./feed.js").RoomEvent & {change: import("./room-keys.js").Change},
 *   viewers: number,
 *   shown: Utterance,
 *   final: {text: string, old: boolean, corrected: boolean},
 *   status: {status: import("./feed.js").FeedStatus, retryInMs: number, problem: import("../lib/problems.js").Problem | null},
 * }>}  `final`: a text that was final before, with another wording, is `corrected`
 */
export class FollowedRoom extends Emitter {
  #room;
  #speaks;
  #text = new CaptionText();
  view;
  /** @type {CaptionFeed | null} */
  #feed = null;

  /**
   * @param {string} room
   * @param {HTMLElement} container  of the text
   * @param {boolean} [speaks]  for the page of a speaker
   */
  constructor(room, container, speaks = false) {
    super();
    this.#room = room;
    this.#speaks = speaks;
    this.view = new CaptionView(this.#text, container);
  }

  /** Follow the room with the key that is known now. */
  follow() {
    this.#feed?.close();
    const feed = new CaptionFeed(server(), this.#room, this.#speaks);
    this.#feed = feed;
    feed.on("room", (event) => {
      if (event.change === "restarted") this.#text.restart().forEach((utterance) => this.view.update(utterance));
      if (event.change === "cleared") this.#clear();
      this.emit("room", event);
    });
    this.forward(feed, "viewers");
    feed.on("partial", (event) => this.#show(this.#text.showPartial(event)));
    feed.on("final", (event) => {
      const before = this.#text.finalText(event.item_id);
      const isCorrected = before !== null && before !== event.text;
      const utterance = this.#text.showFinal(event);
      this.#show(utterance);
      if (isCorrected) this.view.markCorrected(utterance);
      this.emit("final", { text: event.text, old: event.old, corrected: isCorrected });
    });
    feed.on("status", (event) => {
      if (feed === this.#feed) this.emit("status", event); // not of one that another has replaced
    });
    void feed.run();
  }

  /** Whether a text is shown that is final. */
  get hasText() {
    return this.#text.hasFinal;
  }

  retryNow() {
    this.#feed?.retryNow();
  }

  #clear() {
    this.#text.clear();
    this.view.clear();
  }

  /** @param {Utterance} utterance */
  #show(utterance) {
    this.view.update(utterance);
    this.emit("shown", utterance);
  }
}
