/**
 * Runs something once a burst of calls is over. Pure but for the clock.
 *
 * @param {() => void} run
 * @param {number} quietMs  without a call, after which it runs
 * @returns {{call: () => void, flush: () => void}} `flush` runs it at once if a call waits
 */
export function debounced(run, quietMs) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const finish = () => {
    clearTimeout(timer);
    timer = undefined;
    run();
  };
  return {
    call() {
      clearTimeout(timer);
      timer = setTimeout(finish, quietMs);
    },
    flush() {
      if (timer !== undefined) finish();
    },
  };
}
