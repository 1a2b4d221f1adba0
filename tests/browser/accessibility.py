"""What every page must be: accessible, and usable on every screen."""

from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

DESKTOP = (1280, 800)
SIZES = {"phone": (320, 640), "landscape": (640, 360), "zoom-200": (640, 400), "zoom-400": (320, 256)}
"""Screens in CSS pixels: a phone, a phone on its side, and a desktop whose page is zoomed to 200 % and 400 %."""

MIN_LINES = 3
"""Lines of text that the conversation or the captions show on the smallest of these screens."""

# Where a page has a part that scrolls, what has room in it; and which controls outside such parts reach over an edge.
_FAULTS = """minLines => {
  const faults = [];
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) faults.push(`the page is ${scrollWidth - clientWidth} px too wide`);
  const scrolls = element => /auto|scroll/.test(getComputedStyle(element).overflowY);
  const within = element => element && (scrolls(element) ? element : within(element.parentElement));
  const main = document.querySelector("main");
  const dialog = document.querySelector("dialog[open]");
  if (!dialog && scrolls(main) && main.clientHeight < minLines * parseFloat(getComputedStyle(main).lineHeight))
    faults.push(`${main.clientHeight} px are too low for ${minLines} lines`);
  for (const control of (dialog ?? document).querySelectorAll("a, button, input, select, textarea, summary")) {
    if (!control.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    const { left, right, top, bottom, width } = control.getBoundingClientRect();
    const frame = within(control.parentElement)?.getBoundingClientRect();
    const { left: from, right: to } = frame ?? { left: 0, right: innerWidth };
    const isReached = frame || document.body.scrollHeight > innerHeight; // by scrolling down
    const cut = left < from - 1 || right > to + 1 || (!isReached && (top < -1 || bottom > innerHeight + 1));
    if (cut && width > 1) faults.push(`cut off: ${control.outerHTML.slice(0, 120)}`);
  }
  for (const chip of document.querySelectorAll(".chip")) {
    const words = chip.lastElementChild;
    const isHidden = words.clientWidth < 24 || getComputedStyle(words).clipPath !== "none";
    if (isHidden && chip.checkVisibility() && innerHeight > 300) // lower screens tell it by the form of the dot
      faults.push(`a state is told by its colour only: ${words.textContent}`);
  }
  return faults;
}"""


def assert_accessible_and_fitting(page: Page, pictures: Path, name: str, theme: str) -> None:
    """Axe objects to nothing in this theme. On every screen nothing is too wide or cut off, and the text has room."""
    page.emulate_media(reduced_motion="reduce", color_scheme="light" if theme == "light" else "dark")
    _resize(page, SIZES["phone"] if theme == "light" else DESKTOP)
    page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
    page.screenshot(path=pictures / f"{name}-{theme}.png")
    results = Axe().run(page)
    assert results.violations_count == 0, f"{theme}: {results.generate_report()}"
    page.evaluate("delete document.documentElement.dataset.theme")
    for screen, size in SIZES.items():
        _resize(page, size)
        if faults := page.evaluate(_FAULTS, MIN_LINES):
            page.screenshot(path=pictures / f"{name}-{screen}.png")
            raise AssertionError(f"{name} on {screen}: {faults}")


def _resize(page: Page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
