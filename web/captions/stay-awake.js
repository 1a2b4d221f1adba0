/** Keep the screen on while this page is looked at, where the browser can; a phone would darken over the captions. */
export function stayAwake() {
  const ask = async () => {
    try {
      if (document.visibilityState === "visible") await navigator.wakeLock?.request("screen");
    } catch {
      // low battery, or not allowed: the captions go on
    }
  };
  document.addEventListener("visibilitychange", ask);
  return ask();
}
