"""What is said from the press on is heard, although the connection is made only then."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from assistant import Assistant
from pages import Pages, unanswered
from server_process import ServerProcess
from sound_card import Recording, SoundCard
from waiting import until

SLOW = pytest.mark.slow  # the same over a transport of which another test is not slow
WEBSOCKETS = ["WebSocket", "WebSocket with Opus"]
ONLY_WEBRTC = ["WebRTC", *(pytest.param(name, marks=SLOW) for name in WEBSOCKETS)]
NOT_WEBRTC = [pytest.param("WebRTC", marks=SLOW), "WebSocket", pytest.param("WebSocket with Opus", marks=SLOW)]
QUESTION = re.compile(r"\b(is|the|front)\b", re.I)
"""Its first words, of which one may be misheard: on a busy machine the browser loses some sound."""
BOOKS = re.compile(r"\b(produced|the|block|books)\b.*\b(immediate|predecessors|true|printed)\b", re.I)
"""Its first words and its last."""


def microphone_opens(page: Page) -> None:
    """The browser itself takes a moment to open it, in which nothing can be heard."""
    until(lambda: page.evaluate("microphoneOpen"), "the browser opens the microphone")


@pytest.mark.parametrize("transport", NOT_WEBRTC)
def test_what_is_said_before_there_is_a_connection_is_recognised_from_its_first_word(
    server: ServerProcess, pages: Pages, transport: str, sound_card: SoundCard, speaker: Recording, recordings: Path
) -> None:
    page = pages.open(server.url, script="known_microphone.js")
    assistant = Assistant(page)
    assistant.choose_connection(transport)
    with unanswered(page.context, "**/capabilities"):
        assistant.talk.click()
        microphone_opens(page)
        sound_card.say(recordings / "is_the_front_door_locked.flac")
    expect(assistant.questions.last).to_contain_text(QUESTION)
    expect(assistant.path).to_have_text(transport)
    speaker.wait_for_sound(300)


@pytest.mark.slow  # the test before it has the words before a connection
@pytest.mark.parametrize("transport", ONLY_WEBRTC)
def test_what_is_said_across_the_moment_of_connecting_is_one_question(
    server: ServerProcess, pages: Pages, transport: str, sound_card: SoundCard, recordings: Path
) -> None:
    page = pages.open(server.url, script="known_microphone.js")
    assistant = Assistant(page)
    assistant.choose_connection(transport)
    with unanswered(page.context, "**/capabilities"):
        assistant.talk.click()
        microphone_opens(page)
        said = sound_card.begin_to_say(recordings / "block_books.flac")
        page.wait_for_timeout(1500)  # the slow network itself
    said.wait(20)
    expect(assistant.questions.last).to_contain_text(BOOKS)
    expect(assistant.questions).to_have_count(1)


@pytest.mark.parametrize("transport", ONLY_WEBRTC)
def test_the_first_hold_of_push_to_talk_is_a_turn(
    server: ServerProcess, pages: Pages, transport: str, sound_card: SoundCard, speaker: Recording, recordings: Path
) -> None:
    page = pages.open(server.url, script="known_microphone.js")
    assistant = Assistant(page)
    assistant.choose_connection(transport)
    page.get_by_text("Push to talk").click()
    assistant.talk.hover()
    with unanswered(page.context, "**/capabilities"):
        page.mouse.down()
        microphone_opens(page)
        sound_card.say(recordings / "is_the_front_door_locked.flac")
        page.mouse.up()
    expect(assistant.questions.last).to_contain_text(QUESTION)
    speaker.wait_for_sound(300)


def test_captions_begin_with_the_first_word(
    server: ServerProcess, pages: Pages, sound_card: SoundCard, recordings: Path
) -> None:
    page = pages.open(f"{server.url}/captions/early/speak", script="known_microphone.js")
    page.get_by_role("button", name="Start captions").click()
    microphone_opens(page)
    sound_card.say(recordings / "block_books.flac")
    expect(page.locator("#text")).to_contain_text(BOOKS)
