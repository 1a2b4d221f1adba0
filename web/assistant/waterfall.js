/** Computes the bars of a latency chart. Pure. */

const STAGES = /** @type {const} */ ([
  ["turn_ended_ms", "End of turn detected"],
  ["transcript_ms", "Last words recognised"],
  ["first_token_ms", "First word of the reply"],
  ["first_segment_ms", "First phrase ready"],
  ["first_audio_ms", "First audio sent"],
  ["played_ms", "First sound played"],
]);

/**
 * @typedef {object} Bar
 * @property {string} label
 * @property {number} stage  1 to 6: which stage it is, whatever the order
 * @property {number} fromMs  when the stage before it was reached
 * @property {number} toMs  when this one was reached; ms from the end of speech
 */

/**
 * Return the stages in the order in which they were reached. The first stages of an answer that started in the last pause
 * of a turn come before the end of the turn.
 *
 * @param {Record<string, number>} latency  ms from the end of speech to each stage
 * @returns {Bar[]}
 */
export function bars(latency) {
  const reached = STAGES.flatMap(([name, label], index) => {
    const at = latency[name];
    return at === undefined ? [] : [{ label, stage: index + 1, at: Math.max(0, at) }];
  });
  reached.sort((a, b) => a.at - b.at || a.stage - b.stage);
  return reached.map(({ label, stage, at }, i) => ({ label, stage, fromMs: reached[i - 1]?.at ?? 0, toMs: at }));
}

/**
 * Return how long the user waited: until sound was played, or until the last known stage.
 *
 * @param {Bar[]} chart
 */
export function totalMs(chart) {
  return chart.at(-1)?.toMs ?? 0;
}

/**
 * Round times for the grid: at most five, from 0 to the end of the axis.
 *
 * @param {number} total  ms
 * @returns {number[]}
 */
export function ticks(total) {
  const steps = [50, 100, 200, 250, 500, 1000, 2000, 5000, 10_000];
  const step = steps.find((each) => total / each <= 4) ?? 20_000;
  const count = Math.max(1, Math.ceil(total / step));
  return Array.from({ length: count + 1 }, (_, i) => i * step);
}

/** @param {number} ms */
export function inSeconds(ms) {
  return `${(ms / 1000).toFixed(2)} s`;
}
