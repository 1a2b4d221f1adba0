// Not a module, so that it runs before the page is drawn and a chosen theme does not flash.
{
  const root = document.documentElement;
  /** @param {string} name */
  const kept = (name) => {
    try {
      return localStorage.getItem(name) ?? "";
    } catch {
      return ""; // site data is blocked: keep the theme of the system
    }
  };
  const theme = kept("streamsrv.theme");
  if (["light", "dark", "contrast"].includes(theme)) root.dataset.theme = theme;
  const textSize = kept("streamsrv.text-size");
  if (["small", "large"].includes(textSize)) root.dataset.textSize = textSize;
}
