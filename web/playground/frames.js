/**
 * Draw at most once in a frame, and only when something has changed.
 *
 * @param {() => void} draw
 * @returns {() => void} something has changed
 */
export function eachFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}
