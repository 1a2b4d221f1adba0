"""What goes wrong around a conversation: each has a message and a way on, and nothing said is lost from the screen."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Error, expect

from assistant import FRONT_DOOR, Assistant
from network import Network
from pages import FOLDER, Pages
from server_process import ServerProcess
from sound_card import Recording, SoundCard

StartServer = Callable[..., ServerProcess]
Serve = Callable[..., str]

BLOCKED = "doesn't let this page play sound"
NO_MICROPHONE = ["clipboard-read"]
"""A list with something in it: Playwright takes an empty one for none."""


LISTEN_TO_NOTICES = """() => {
  Object.assign(window, { announced: [], counted: 0 });
  new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      if (target.closest("[aria-hidden]")) window.counted += 1;
      else for (const { textContent } of addedNodes) window.announced.push(textContent.replace(/( in \\d+ s)?…/, ""));
    }
  }).observe(document.querySelector("#notices"), { childList: true, subtree: true });
}"""
"""Collects what a screen reader is given of notices, and counts what it is spared."""


def ask(assistant: Assistant, speaker: Recording, text: str = "Say hello.") -> None:
    """A written turn, and sound of its answer."""
    before = speaker.heard_ms()
    assistant.write(text)
    speaker.wait_for_sound(before + 200)


def test_a_microphone_that_is_denied_is_explained_and_one_can_write(
    server: ServerProcess, pages: Pages, speaker: Recording
) -> None:
    assistant = Assistant(pages.open(server.url, script="counted_microphone.js", permissions=NO_MICROPHONE))
    assistant.talk.click()
    notice = assistant.notice("Microphone access is blocked.")
    expect(notice).to_contain_text("Allow it in the address bar")
    ask(assistant, speaker)
    assert assistant.page.evaluate("microphoneRequests") == ["microphone"], "asked for once"
    assistant.page.context.grant_permissions(["microphone"])
    notice.get_by_role("button", name="Try again").click()
    expect(assistant.activity).to_have_text("Listening")


def test_without_a_microphone_one_can_write(
    server: ServerProcess, pages: Pages, speaker: Recording, sound_card: SoundCard
) -> None:
    sound_card.unplug()
    try:
        assistant = Assistant(pages.open(server.url))
        assistant.talk.click()
        notice = assistant.notice("No microphone was found.")
        expect(notice).to_be_visible()
        ask(assistant, speaker)
    finally:
        sound_card.plug_in()
    notice.get_by_role("button", name="Try again").click()
    expect(assistant.activity).to_have_text("Listening")


def test_a_microphone_that_is_unplugged_is_missed_and_can_be_plugged_in_again(
    server: ServerProcess, pages: Pages, sound_card: SoundCard, recordings: Path
) -> None:
    assistant = Assistant(pages.open(server.url, script="announced_unplugging.js"))
    assistant.start()
    sound_card.unplug()
    assistant.page.evaluate("announceUnplugging()")
    try:
        notice = assistant.notice("The microphone was unplugged.")
        expect(notice).to_be_visible()
    finally:
        sound_card.plug_in()
    notice.get_by_role("button", name="Try again").click()
    expect(assistant.activity).to_have_text("Listening")
    sound_card.say(recordings / "is_the_front_door_locked.flac")
    expect(assistant.questions.last).to_contain_text(FRONT_DOOR)


def test_blocked_sound_is_let_through_with_a_tap(server: ServerProcess, pages: Pages, speaker: Recording) -> None:
    """The talk button is pressed by a script, which is no gesture. With a microphone, none is needed."""
    context = pages.context(permissions=NO_MICROPHONE)
    context.add_init_script(path=FOLDER / "press_without_gesture.js")
    page = context.new_page()
    with page.expect_console_message(lambda message: BLOCKED in message.text):
        page.goto(server.url)
    assistant = Assistant(page)
    assistant.notice(BLOCKED).get_by_role("button", name="Play sound").click()
    ask(assistant, speaker)


@pytest.mark.slow  # it starts a server twice
def test_a_server_that_was_restarted_is_found_again_with_the_conversation(
    own_server: StartServer, pages: Pages, speaker: Recording
) -> None:
    server = own_server()
    pages.allow("ERR_CONNECTION|WebSocket connection|Failed to load resource")
    assistant = Assistant(pages.open(server.url))
    assistant.start()
    ask(assistant, speaker)
    assistant.page.evaluate(LISTEN_TO_NOTICES)
    server.kill()
    expect(assistant.path).to_have_text("Reconnecting…")
    expect(assistant.notice("Connection lost.")).to_be_visible()
    assistant.write("Are you there?")
    server.start()
    expect(assistant.notice("Connection lost.")).to_have_count(0)
    expect(assistant.activity).not_to_contain_text("Reconnecting")
    announced = assistant.page.evaluate("window.announced")
    assert len(set(announced)) == len(announced) > 0, announced
    assert assistant.page.evaluate("window.counted") > 0
    expect(assistant.questions).to_have_count(2)
    expect(assistant.replies).to_have_count(2)
    expect(assistant.questions.first).to_contain_text("Say hello.")


@pytest.mark.parametrize("transport", ["WebRTC", pytest.param("WebSocket", marks=pytest.mark.slow)])
def test_five_seconds_without_network_are_survived(
    server: ServerProcess, pages: Pages, speaker: Recording, network: Network, transport: str
) -> None:
    assistant = Assistant(pages.open(server.url))
    assistant.choose_connection(transport)
    pages.allow("ERR_|WebSocket connection|Failed to load resource")
    assistant.start()
    ask(assistant, speaker)
    network.cut()
    assistant.page.wait_for_timeout(5000)  # the fault itself, not a wait for its result
    network.restore()
    ask(assistant, speaker, "Say hello again.")
    expect(assistant.questions.first).to_contain_text("Say hello.")


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["WebRTC", "WebSocket"])
def test_a_minute_without_network_is_told_and_survived(
    server: ServerProcess, pages: Pages, speaker: Recording, network: Network, transport: str
) -> None:
    assistant = Assistant(pages.open(server.url))
    assistant.choose_connection(transport)
    pages.allow("ERR_|WebSocket connection|Failed to load resource")
    assistant.start()
    ask(assistant, speaker)
    network.cut()
    expect(assistant.notice("Connection lost.")).to_be_visible()
    assistant.page.wait_for_timeout(45_000)
    assistant.write("Are you there?")
    network.restore()
    expect(assistant.notice("Connection lost.")).to_have_count(0)
    expect(assistant.replies).to_have_count(2)
    expect(assistant.questions.first).to_contain_text("Say hello.")


@pytest.mark.parametrize("transport", [pytest.param("WebRTC", marks=pytest.mark.slow), "WebSocket"])
def test_a_tab_that_is_closed_frees_its_place(light_server: Serve, pages: Pages, transport: str) -> None:
    server = light_server(max_sessions=1)
    pages.allow("503|WebSocket connection")
    first = Assistant(pages.open(server))
    first.choose_connection(transport)
    until_listening(first)
    second = Assistant(pages.open(server))
    second.talk.click()
    full = second.notice("session").first
    expect(full).to_be_visible()
    first.page.close()
    until_listening(second)


@pytest.mark.slow  # to the server it is a tab that is closed
def test_a_browser_that_crashes_frees_its_place(light_server: Serve, pages: Pages) -> None:
    server = light_server(max_sessions=1)
    pages.allow("503|WebSocket connection")
    first = Assistant(pages.open(server))
    until_listening(first)
    second = Assistant(pages.open(server))
    crash(first)
    until_listening(second)


def until_listening(assistant: Assistant) -> None:
    """Press the button until there is a place."""
    listening = assistant.page.get_by_text("Listening", exact=True)
    for _ in range(20):
        if assistant.activity.inner_text() == "Tap to talk":
            assistant.talk.click()
        try:
            expect(listening).to_be_visible(timeout=2000)
            return
        except AssertionError:
            continue
    expect(listening).to_be_visible()


def crash(assistant: Assistant) -> None:
    """The renderer of the page is gone at once, and says goodbye to nobody."""
    with contextlib.suppress(Error):  # the navigation ends with the renderer
        assistant.page.goto("chrome://crash")
