"""A session ends after a while, which is a setting: the pages go on without a lost word, and say nothing of it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from assistant import Assistant
from pages import Pages
from server_process import ServerProcess
from sound_card import Recording, SoundCard
from waiting import until

StartServer = Callable[..., ServerProcess]
Serve = Callable[..., str]
SHORT_MINUTES = 0.2

REMEMBER_NOTICES = """() => {
  window.noticed = [];
  const notices = document.querySelector("#notices, #notice");
  new MutationObserver(() => window.noticed.push(notices.textContent)).observe(notices, { childList: true });
}"""


def noticed(page: Page) -> list[str]:
    return [text for text in page.evaluate("window.noticed") if text.strip()]


def test_a_session_that_ends_is_followed_by_the_next_without_a_word(light_server: Serve, pages: Pages) -> None:
    assistant = Assistant(pages.open(light_server(max_session_minutes=0.1)))
    page = assistant.page
    page.evaluate(REMEMBER_NOTICES)
    assistant.choose_connection("WebSocket")
    assistant.reply_in_text()
    assistant.write("Say hello.")
    until(lambda: sessions(page, pages) == 2, "the next session")
    assistant.write("Say hello again.")
    expect(assistant.replies).to_have_count(2)
    expect(assistant.page.locator("[data-status=cut], [data-status=failed]")).to_have_count(0)
    assert noticed(page) == []


def sessions(page: Page, pages: Pages) -> int:
    """How many there were over WebSockets so far."""
    page.title()  # lets what went over them arrive here
    return sum(event["type"] == "session.created" for event in pages.events)


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["WebRTC", "WebSocket"])
def test_a_conversation_goes_on_across_the_end_of_its_sessions(
    own_server: StartServer, pages: Pages, sound_card: SoundCard, recordings: Path, transport: str
) -> None:
    server = own_server(max_session_minutes=SHORT_MINUTES, admit_by_load=False)
    assistant = Assistant(pages.open(server.url))
    page = assistant.page
    page.evaluate(REMEMBER_NOTICES)
    assistant.choose_connection(transport)
    assistant.reply_in_text()
    assistant.start()
    said = ["is_the_front_door_locked", "is_the_garage_door_open", "lock_the_front_door"] * 2
    for name in said:
        sound_card.say(recordings / f"{name}.flac")
        page.wait_for_timeout(2500)  # the pause of a person who reads the reply
    expect(assistant.questions).to_have_count(len(said))
    for question in assistant.questions.all():
        expect(question).to_contain_text(re.compile("door", re.I))
    expect(assistant.activity).to_have_text("Listening")
    assert noticed(page) == []


@pytest.mark.slow
def test_a_reply_goes_on_to_its_end_before_its_session_is_replaced(
    own_server: StartServer, pages: Pages, speaker: Recording
) -> None:
    server = own_server(max_session_minutes=0.5, admit_by_load=False)
    assistant = Assistant(pages.open(server.url))
    assistant.page.evaluate(REMEMBER_NOTICES)
    for count in range(1, 5):
        before = speaker.heard_ms()
        assistant.write("Say hello.")
        expect(assistant.replies).to_have_count(count)
        speaker.wait_for_sound(before + 200)
        speaker.wait_for_quiet(6000)
    expect(assistant.page.locator("[data-status=cut], [data-status=failed]")).to_have_count(0)
    assert noticed(assistant.page) == []


@pytest.mark.slow
def test_captions_go_on_across_the_end_of_their_sessions(
    own_server: StartServer, pages: Pages, sound_card: SoundCard, recordings: Path
) -> None:
    server = own_server(max_transcription_minutes=SHORT_MINUTES, admit_by_load=False)
    page = pages.open(f"{server.url}/captions/long/speak")
    page.evaluate(REMEMBER_NOTICES)
    page.get_by_role("button", name="Start captions").click()
    expect(page.get_by_role("button", name="Stop captions")).to_be_visible()
    doors = ["is_the_front_door_locked", "is_the_garage_door_open", "lock_the_front_door"]
    sound_card.say(*[recordings / f"{name}.flac" for door in doors for name in ("block_books", door)])
    page.get_by_role("button", name="Stop captions").click()
    expect(page.get_by_role("button", name="Start captions")).to_be_visible()
    text = page.locator("#text").inner_text()
    # What a recogniser makes of a word beside a split is not certain; that all was heard is.
    assert len(re.findall("immediate", text, re.I)) == len(doors), text
    assert len(re.findall("door", text, re.I)) == len(doors), text
    assert noticed(page) == []
