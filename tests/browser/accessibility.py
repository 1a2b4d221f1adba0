"""What every page must be: accessible, and no wider than the screen."""

import itertools
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SIZES = {"phone": (320, 640), "desktop": (1280, 800)}


def assert_accessible_and_fitting(page: Page, pictures: Path, name: str) -> None:
    """Axe objects to nothing, and nothing is wider than the screen, in both themes and on a phone and a desktop."""
    for theme, (size, (width, height)) in itertools.product(("light", "dark"), SIZES.items()):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # no colour between two themes
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=pictures / f"{name}-{theme}-{size}.png")
        results = Axe().run(page)
        assert results.violations_count == 0, f"{theme}, {size}: {results.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"wider than a {size}"
