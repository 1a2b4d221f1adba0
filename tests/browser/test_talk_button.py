"""The talk button, the space bar and the mute button, in both modes."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from assistant import FRONT_DOOR, Assistant
from pages import Pages
from server_process import ServerProcess
from sound_card import SoundCard

HOLDING = re.compile("Listening – release")
NO_MICROPHONE = ["clipboard-read"]
"""A list with something in it: Playwright takes an empty one for none."""


@pytest.fixture
def assistant(server: ServerProcess, pages: Pages) -> Assistant:
    return Assistant(pages.open(server.url))


def test_the_space_bar_talks_right_after_push_to_talk_was_chosen(assistant: Assistant) -> None:
    page = assistant.page
    assistant.start()
    page.get_by_text("Push to talk").click()
    page.keyboard.down("Space")
    expect(assistant.activity).to_have_text(HOLDING)
    page.keyboard.up("Space")
    expect(assistant.activity).to_contain_text("Hold the button")
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(assistant.talk).to_be_focused()
    page.keyboard.down("Space")
    expect(assistant.activity).to_have_text(HOLDING)
    page.keyboard.up("Space")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_the_space_bar_writes_where_one_writes(assistant: Assistant) -> None:
    page = assistant.page
    page.get_by_text("Push to talk").click()
    page.get_by_label("Type a message").press_sequentially("a b")
    expect(page.get_by_label("Type a message")).to_have_value("a b")
    expect(assistant.path).to_have_text("Not connected")


def test_enter_that_is_held_begins_one_turn(assistant: Assistant) -> None:
    page = assistant.page
    page.get_by_label("Push to talk").check()
    assistant.talk.press("Enter")
    expect(assistant.activity).to_contain_text("Hold the button")
    assistant.talk.focus()
    for _ in range(8):
        page.keyboard.down("Enter")  # the second and every other one is a repetition
    page.keyboard.up("Enter")
    expect(assistant.activity).to_have_text(HOLDING)


def test_push_to_talk_without_a_microphone_claims_nothing_and_answers_nothing(
    server: ServerProcess, pages: Pages
) -> None:
    assistant = Assistant(pages.open(server.url, permissions=NO_MICROPHONE))
    page = assistant.page
    assistant.write("Say hello.")
    expect(assistant.replies).to_have_count(1)
    assistant.reply_in_text()
    page.get_by_text("Push to talk").click()
    expect(assistant.activity).to_contain_text("Hold the button")
    page.keyboard.down("Space")
    expect(assistant.notice("microphone")).to_be_visible()
    expect(assistant.activity).not_to_have_text(HOLDING)
    page.keyboard.up("Space")
    assistant.write("Say hello again.")  # what comes of the release would come before this
    expect(assistant.replies).to_have_count(2)
    expect(assistant.questions).to_have_count(2)
    expect(assistant.notice("buffer")).to_have_count(0)


def test_start_talking_unmutes(assistant: Assistant, sound_card: SoundCard, recordings: Path) -> None:
    page = assistant.page
    assistant.start()
    page.get_by_role("button", name="Mute the microphone").first.click()
    expect(assistant.activity).to_contain_text("Microphone off")
    page.get_by_role("button", name="Hang up").click()
    assistant.start()
    sound_card.say(recordings / "is_the_front_door_locked.flac")
    expect(assistant.questions.last).to_contain_text(FRONT_DOOR)


def test_another_connection_is_used_as_soon_as_it_is_chosen(assistant: Assistant) -> None:
    assistant.start()
    expect(assistant.path).to_have_text("WebRTC")
    assistant.choose_connection("WebSocket")
    expect(assistant.path).to_have_text("WebSocket")
    expect(assistant.activity).to_have_text("Listening")
