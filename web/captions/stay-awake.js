/** Keeps the screen on while this page is visible, if the browser can; otherwise a phone turns dark over the captions. */
export function stayAwake() {
  const ask = async () => {
    try {
      if (document.visibilityState === "visible") await navigator.wakeLock?.request("screen");
    } catch {
      // low battery, or not allowed: continue without the lock
    }
  };
  document.addEventListener("visibilitychange", ask);
  return ask();
}
