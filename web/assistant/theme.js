// Runs before the page is drawn, so that a chosen theme does not flash; that is why it is no module.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("streamsrv.theme");
  } catch {
    // Site data is blocked: the theme of the system is good.
  }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
}
