/**
 * Joins the latencies that the server measured for a spoken turn with the client's time of the first played sample.
 * Pure.
 *
 * The server's times count from the end of speech. Its `first_audio_ms` is when the audio left; this adds the
 * time from its arrival to the first played sample. Neither includes the network.
 */
export class LatencyTracker {
  /** @type {Map<string, {arrivedAt?: number, playedAt?: number, stages?: Record<string, number>}>} */
  #turns = new Map();

  /**
   * @param {string} responseId
   * @param {number} at  ms of any clock
   */
  audioArrived(responseId, at) {
    this.#turn(responseId).arrivedAt ??= at;
  }

  /**
   * @param {string} responseId
   * @param {number} at  ms of the same clock
   * @returns {Record<string, number> | null} the stages of the turn, if they are all known now
   */
  played(responseId, at) {
    this.#turn(responseId).playedAt ??= at;
    return this.#complete(responseId);
  }

  /**
   * @param {string} responseId
   * @param {Record<string, number>} stages  of `response.done.response.streamsrv.latency`
   * @returns {Record<string, number> | null}
   */
  measured(responseId, stages) {
    this.#turn(responseId).stages = stages;
    return this.#complete(responseId);
  }

  /** @param {string} responseId */
  #turn(responseId) {
    let turn = this.#turns.get(responseId);
    if (!turn) {
      turn = {};
      this.#turns.set(responseId, turn);
      const [oldest] = this.#turns.keys();
      if (this.#turns.size > 20 && oldest) this.#turns.delete(oldest); // turns that never became complete
    }
    return turn;
  }

  /** @param {string} responseId */
  #complete(responseId) {
    const { arrivedAt, playedAt, stages } = this.#turn(responseId);
    if (!stages || arrivedAt === undefined || playedAt === undefined) return null;
    this.#turns.delete(responseId);
    const first = stages.first_audio_ms;
    return first === undefined ? stages : { ...stages, played_ms: Math.round(first + playedAt - arrivedAt) };
  }
}
