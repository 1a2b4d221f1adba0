// Runs before the page is drawn, so that a chosen theme does not flash; that is why it is no module.
{
  const chosen = localStorage.getItem("streamsrv.theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
}
