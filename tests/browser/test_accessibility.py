"""The assistant page: nothing that axe objects to, in both themes; nothing wider than a phone; usable by keyboard."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from assistant import Assistant
from fake_provider import fake_provider
from pages import Pages
from server_process import ServerProcess

SIZES = {"phone": (320, 640), "desktop": (1280, 800)}


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("size", SIZES)
def test_the_page_is_accessible_and_fits(
    server: ServerProcess, pages: Pages, pictures: Path, theme: str, size: str
) -> None:
    width, height = SIZES[size]
    page = pages.open(server.url, color_scheme=theme, viewport={"width": width, "height": height})
    page.screenshot(path=pictures / f"assistant-{theme}-{size}.png")
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_conversation_and_the_settings_are_accessible(
    server: ServerProcess, pages: Pages, pictures: Path, theme: str
) -> None:
    assistant = Assistant(pages.open(server.url, color_scheme=theme, permissions=["clipboard-read"]))
    assistant.talk.click()
    expect(assistant.notice("This page may not use the microphone.")).to_be_visible()
    assistant.write("Say hello.")
    expect(assistant.replies.last).to_contain_text(re.compile(r"Assistant: \w"))
    assert_accessible(assistant.page)
    assistant.page.screenshot(path=pictures / f"conversation-{theme}.png")
    assistant.page.get_by_role("button", name="Settings").click()
    expect(assistant.page.get_by_label("Language model").locator("option")).not_to_have_count(1)
    assert_accessible(assistant.page)
    assistant.page.screenshot(path=pictures / f"settings-{theme}.png")


@pytest.mark.parametrize("size", SIZES)
def test_the_question_for_the_browser_s_recogniser_is_accessible(
    own_server: Callable[..., ServerProcess], pages: Pages, pictures: Path, theme: str, size: str
) -> None:
    width, height = SIZES[size]
    server = own_server(recognizer="none")
    page = pages.open(
        server.url,
        script="scripted_speech_recognition_double.js",
        color_scheme=theme,
        viewport={"width": width, "height": height},
    )
    page.locator("#talk").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.screenshot(path=pictures / f"consent-{theme}-{size}.png")
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("size", SIZES)
def test_who_answered_and_what_failed_is_accessible(
    own_server: Callable[..., ServerProcess],
    pages: Pages,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    theme: str,
    size: str,
) -> None:
    width, height = SIZES[size]
    with fake_provider() as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
        monkeypatch.setenv("OPENAI_MODEL", "remote")
        server = own_server(chat="auto")
        assistant = Assistant(pages.open(server.url, color_scheme=theme, viewport={"width": width, "height": height}))
        provider.error = (429, "You exceeded your current quota.")
        assistant.write("Say hello.")
        expect(assistant.page.locator(".fallback")).to_be_visible()
        provider.error = (400, "Your prompt was flagged.")
        assistant.write("Say hello again.")
        expect(assistant.page.get_by_role("button", name="Retry")).to_be_visible()
        assistant.page.screenshot(path=pictures / f"fallback-{theme}-{size}.png")
        assert_accessible(assistant.page)
        assert assistant.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_theme_can_be_changed_and_is_kept(server: ServerProcess, pages: Pages) -> None:
    page = pages.open(server.url, color_scheme="light")
    page.get_by_role("button", name="Switch between dark and light").click()
    page.reload()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_everything_on_the_assistant_page_is_reached_with_the_tab_key(server: ServerProcess, pages: Pages) -> None:
    page = pages.open(server.url)
    names = page.get_by_role("button").evaluate_all("all => all.filter(each => each.checkVisibility()).length")
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.outerHTML.slice(0, 200)"))
    assert sum("<button" in each for each in reached) == names
    assert any("<textarea" in each or 'id="text"' in each for each in reached)


def assert_accessible(page: Page) -> None:
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
