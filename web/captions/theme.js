// Runs before the page is drawn, so that a chosen theme does not flash; that is why it is no module.
{
  const root = document.documentElement;
  const chosen = localStorage.getItem("streamsrv.captions.theme") ?? localStorage.getItem("streamsrv.theme");
  if (chosen === "dark" || chosen === "light" || chosen === "contrast") root.dataset.theme = chosen;
  const scale = Number(localStorage.getItem("streamsrv.captions.scale"));
  if (scale >= 0.5 && scale <= 3) root.style.setProperty("--scale", String(scale));
  if (new URLSearchParams(location.search).get("overlay") === "1") root.dataset.overlay = "";
}
