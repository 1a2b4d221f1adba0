// Not a module, so that it runs before the page is drawn and a chosen theme does not flash.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("streamsrv.theme");
  } catch {
    // Site data is blocked: keep the theme of the system.
  }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
}
