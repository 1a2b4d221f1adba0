// Not a module, so that it runs before the page is drawn and a chosen theme does not flash.
{
  const root = document.documentElement;
  /** @param {string} name */
  const kept = (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null; // site data is blocked
    }
  };
  const chosen = kept("streamsrv.captions.theme") ?? kept("streamsrv.theme");
  if (chosen === "dark" || chosen === "light" || chosen === "contrast") root.dataset.theme = chosen;
  const scale = Number(kept("streamsrv.captions.scale"));
  if (scale >= 0.5 && scale <= 3) root.style.setProperty("--scale", String(scale));
  if (new URLSearchParams(location.search).get("overlay") === "1") root.dataset.overlay = "";
}
