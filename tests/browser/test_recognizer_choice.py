"""A user chooses the speech recogniser and the language, on the assistant's page and on that of a caption room."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from assistant import Assistant
from pages import Pages
from server_process import ServerProcess
from sound_card import SoundCard
from waiting import until

CHOSEN = "whisper-tiny.en"


def option(select: Locator, name: str) -> Locator:
    """The choice of a list by its value; the test is skipped if it cannot be made on this machine."""
    found = select.locator(f"option[value='{name}']")
    expect(found).to_have_count(1)
    if found.is_disabled():
        pytest.skip(f"not ready here: {found.inner_text()}")
    return found


def names(select: Locator) -> list[str]:
    return [each.inner_text() for each in select.locator("option").all()]


def open_settings(page: Page) -> tuple[Locator, Locator]:
    page.get_by_role("button", name="Settings").click()
    return page.get_by_label("Speech recogniser"), page.get_by_label("Language you speak")


def close_settings(page: Page) -> None:
    page.get_by_role("dialog").get_by_role("button", name="Close").click()


def sessions(pages: Pages) -> list[dict[str, str]]:
    """The transcription of each session that the server confirmed."""
    confirmed = [event["session"] for event in pages.events if event["type"] == "session.updated"]
    return [session["audio"]["input"]["transcription"] for session in confirmed]


def test_the_chosen_recogniser_hears_the_user_and_is_remembered(
    server: ServerProcess, pages: Pages, sound_card: SoundCard, recordings: Path, pictures: Path
):
    page = pages.open(server.url)
    assistant = Assistant(page)
    assistant.choose_connection("WebSocket")
    recognizer, language = open_settings(page)
    expect(recognizer.locator("option").first).to_have_text("Default (moonshine-tiny)")
    option(recognizer, CHOSEN)
    assert recognizer.locator("option[value='whisper-large-v3']").is_disabled()
    recognizer.select_option(CHOSEN)
    assert names(language) == ["Not set", "English"]
    language.select_option(label="English")
    page.screenshot(path=pictures / "recogniser-choice.png")
    close_settings(page)

    page.reload()
    recognizer, language = open_settings(page)
    expect(recognizer).to_have_value(CHOSEN)
    expect(language).to_have_value("en")
    close_settings(page)
    assistant.start()
    sound_card.say(recordings / "is_the_front_door_locked.flac")
    expect(assistant.questions.first).to_contain_text(re.compile(r"You: \w"))  # which words is not asked
    assert sessions(pages)[-1] == {"model": CHOSEN, "language": "en"}


def test_a_recogniser_that_is_gone_is_said_and_the_servers_own_takes_its_place(server: ServerProcess, pages: Pages):
    page = pages.open(server.url)
    page.evaluate("localStorage.setItem('streamsrv.assistant', JSON.stringify({ recognizer: 'no-such-model' }))")
    page.reload()
    assistant = Assistant(page)
    assistant.start()
    expect(assistant.notice("The speech recogniser no-such-model can't be used")).to_be_visible()
    recognizer, _ = open_settings(page)
    expect(recognizer).to_have_value("no-such-model")
    recognizer.select_option("")
    close_settings(page)


def test_a_speaker_chooses_the_recogniser_of_the_captions(server: ServerProcess, pages: Pages, pictures: Path):
    page = pages.open(f"{server.url}/captions/choice/speak")
    recognizer = page.get_by_label("Speech recogniser")
    option(recognizer, CHOSEN)
    recognizer.select_option(CHOSEN)
    page.reload()
    expect(recognizer).to_have_value(CHOSEN)
    page.screenshot(path=pictures / "speaker-choice.png", full_page=True)
    page.get_by_role("button", name="Start captions").click()
    expect(page.get_by_role("button", name="Stop captions")).to_be_visible()
    until(lambda: page.title() and sessions(pages), "the server confirms the session")
    assert sessions(pages)[0] == {"model": CHOSEN}
    recognizer.select_option("")
    expect(page.locator("#notices")).to_be_empty()
    page.get_by_role("button", name="Stop captions").click()
