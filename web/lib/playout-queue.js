/**
 * Queues the audio of several items in order, and counts the played samples of each. Pure; the playout worklet reads
 * from it once each render quantum.
 *
 * Holding and clearing fade out over the next quantum, and resuming fades in, because a cut waveform clicks. Faded
 * samples are audible, so they count as played.
 */

/**
 * @typedef {object} Progress  how much of an item was played
 * @property {string} itemId
 * @property {number} samples
 * @property {boolean} ended  all of it was played, or the rest was dropped
 * @property {boolean} complete  all of it was played
 */

/**
 * @typedef {object} Item
 * @property {string} id
 * @property {Int16Array[]} blocks
 * @property {number} offset  samples of the first block that were played
 * @property {number} played
 * @property {boolean} finished  no more audio comes
 */

export class PlayoutQueue {
  /** @type {Item[]} */
  #items = [];
  #held = false;
  /** @type {"none" | "in" | "out"} */
  #fade = "none";
  #clearing = false;

  /** Whether the next quantum may hold sound. */
  get active() {
    return this.#items.some((item) => item.blocks.length > 0) && (!this.#held || this.#fade === "out");
  }

  /**
   * Add audio at the end. Do not add audio of a dropped item.
   *
   * @param {string} itemId
   * @param {Int16Array} pcm
   */
  push(itemId, pcm) {
    let item = this.#items.at(-1);
    if (item?.id !== itemId) {
      item = { id: itemId, blocks: [], offset: 0, played: 0, finished: false };
      this.#items.push(item);
    }
    if (pcm.length > 0) item.blocks.push(pcm);
  }

  /** @param {string} itemId  no more audio of it comes */
  finish(itemId) {
    for (const item of this.#items) if (item.id === itemId) item.finished = true;
  }

  /** Pause playback. */
  hold() {
    if (this.#held) return;
    this.#held = true;
    this.#fade = "out";
  }

  /** Continue with the sample after the last one played. */
  resume() {
    if (!this.#held) return;
    this.#held = false;
    this.#fade = "in";
  }

  /** Drop the audio that was not played, after a quantum that fades it out. */
  clear() {
    this.#clearing = true;
    if (!this.#held) this.#fade = "out";
  }

  /**
   * Render one quantum.
   *
   * @param {Float32Array} output  filled; with silence if nothing plays
   * @returns {Progress[]} items that began, ended or were dropped; for the rest see `position`
   */
  pull(output) {
    output.fill(0);
    /** @type {Progress[]} */
    const changes = [];
    if (!this.#held || this.#fade === "out") this.#render(output, changes);
    this.#shape(output);
    if (this.#clearing) this.#drop(changes);
    return changes;
  }

  /** @returns {Progress | null} of the item being played */
  get position() {
    const item = this.#items[0];
    return item && item.played > 0 ? progress(item, false) : null;
  }

  /**
   * @param {Float32Array} output
   * @param {Progress[]} changes
   */
  #render(output, changes) {
    let filled = 0;
    while (this.#items[0]) {
      const item = this.#items[0];
      const before = item.played;
      filled = take(item, output, filled);
      const ended = item.finished && item.blocks.length === 0;
      if (ended || (before === 0 && item.played > 0)) changes.push(progress(item, ended));
      if (!ended && !(item.blocks.length === 0 && this.#items.length > 1)) return;
      if (!ended) changes.push(progress({ ...item, finished: true }, true)); // another item began: its rest never comes
      this.#items.shift();
      if (filled === output.length) return;
    }
  }

  /** @param {Float32Array} output */
  #shape(output) {
    if (this.#fade !== "none") {
      const n = output.length;
      for (let i = 0; i < n; i++) output[i] = (output[i] ?? 0) * (this.#fade === "in" ? i / n : 1 - (i + 1) / n);
    }
    this.#fade = "none";
  }

  /** @param {Progress[]} changes */
  #drop(changes) {
    for (const item of this.#items) changes.push(progress(item, true));
    this.#items = [];
    this.#clearing = false;
    this.#held = false;
  }
}

/**
 * @param {Item} item
 * @param {boolean} ended
 * @returns {Progress}
 */
function progress(item, ended) {
  const complete = ended && item.finished && item.blocks.length === 0;
  return { itemId: item.id, samples: item.played, ended, complete };
}

/**
 * @param {Item} item
 * @param {Float32Array} output
 * @param {number} filled
 * @returns {number} samples of `output` that are filled now
 */
function take(item, output, filled) {
  while (filled < output.length && item.blocks[0]) {
    const block = item.blocks[0];
    const n = Math.min(output.length - filled, block.length - item.offset);
    for (let i = 0; i < n; i++) output[filled + i] = (block[item.offset + i] ?? 0) / 0x8000;
    filled += n;
    item.offset += n;
    item.played += n;
    if (item.offset === block.length) {
      item.blocks.shift();
      item.offset = 0;
    }
  }
  return filled;
}
