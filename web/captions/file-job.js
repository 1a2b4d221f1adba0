import { Emitter, Problem } from "../lib/index.js";
import { captionProblem, requestProblem } from "./caption-problems.js";
import { EventStream } from "./event-stream.js";
import { server } from "./place.js";

/** @typedef {{title: string, speaker: string, translate: "en" | null, model: string | null, language: string | null, keywords: string[]}} FileWish */

/**
 * Captions a recording faster than it plays. The captions come to the room, as those of a speaker do.
 *
 * @extends {Emitter<{progress: {seconds: number, duration: number}}>}  how much is done, in seconds of the recording
 */
export class FileJob extends Emitter {
  #room;
  #cancelled = new AbortController();

  /** @param {string} room */
  constructor(room) {
    super();
    this.#room = room;
  }

  /**
   * @param {File} file
   * @param {FileWish} wish
   * @returns {Promise<number | null>} how many captions there are; null: it was cancelled. Throws a `Problem`
   */
  async run(file, wish) {
    try {
      return await this.#follow(file, wish);
    } catch (error) {
      if (this.#cancelled.signal.aborted) return null;
      throw error instanceof Problem ? requestProblem(error) : connectionLost();
    }
  }

  /** Stop; the captions so far stay. */
  cancel() {
    this.#cancelled.abort();
  }

  /**
   * @param {File} file
   * @param {FileWish} wish
   */
  async #follow(file, wish) {
    const path = `v1/streamsrv/captions/${encodeURIComponent(this.#room)}/file`;
    const { signal } = this.#cancelled;
    const { body } = await server().fetch(path, { method: "POST", body: formOf(file, wish), signal });
    const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
    const stream = new EventStream();
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done) throw connectionLost();
      for (const { data } of stream.push(value)) {
        const event = JSON.parse(data);
        if (event.error) throw captionProblem(event.error);
        if (event.type === "captions.file.started") this.emit("progress", { seconds: 0, duration: event.duration });
        if (event.type === "captions.file.progress") this.emit("progress", event);
        if (event.type === "captions.file.done") return event.captions;
      }
    }
  }
}

/**
 * @param {File} file
 * @param {FileWish} wish
 */
function formOf(file, { keywords, ...fields }) {
  const form = new FormData();
  form.set("file", file);
  for (const [name, value] of Object.entries(fields)) if (value) form.set(name, value);
  for (const keyword of keywords) form.append("keywords", keyword);
  return form;
}

function connectionLost() {
  return new Problem("file_cut_off", "The connection was lost while the file was captioned.", "What was captioned so far stays.");
}
