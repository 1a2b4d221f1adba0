// Not a module, so that it runs before the viewers' page is drawn: the chosen size of the text, and the overlay.
{
  const root = document.documentElement;
  let scale = 0;
  try {
    scale = Number(localStorage.getItem("streamsrv.captions.scale"));
  } catch {
    // Site data is blocked: keep the normal size.
  }
  if (scale >= 0.5 && scale <= 3) root.style.setProperty("--scale", String(scale));
  if (new URLSearchParams(location.search).has("overlay")) root.dataset.overlay = "";
}
