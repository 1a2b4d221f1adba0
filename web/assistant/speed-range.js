/** Which paces of the voice can be chosen. Pure. */

const SLOWEST = 0.5; // slower speech is hard to follow
const FASTEST = 1.5; // of a session

/**
 * @param {{min_speed?: number, max_speed?: number} | null} synthesizer  of the server's capabilities
 * @returns {{min: number, max: number}} in steps of 0.05; equal: the voices have one pace
 */
export function speedRange(synthesizer) {
  const { min_speed: slowest = SLOWEST, max_speed: fastest = FASTEST } = synthesizer ?? { min_speed: 1, max_speed: 1 };
  return { min: Math.min(1, Math.max(SLOWEST, slowest)), max: Math.max(1, Math.min(FASTEST, fastest)) };
}
