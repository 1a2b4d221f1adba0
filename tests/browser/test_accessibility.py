"""Every page: nothing that axe objects to, in both themes; nothing wider than a phone; usable by keyboard."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from pages import Pages
from server_process import ServerProcess

PAGES = {"assistant": "/"}
SIZES = {"phone": (390, 844), "desktop": (1280, 800)}


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_and_fits(
    server: ServerProcess, pages: Pages, pictures: Path, name: str, theme: str, size: str
) -> None:
    width, height = SIZES[size]
    page = pages.open(server.url + PAGES[name], color_scheme=theme, viewport={"width": width, "height": height})
    page.wait_for_load_state("networkidle")
    page.screenshot(path=pictures / f"{name}-{theme}-{size}.png")
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def assert_accessible(page: Page) -> None:
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
