"""The assistant without a mouse: single keys, the test of the microphone, and all that one comes for."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from accessibility import assert_accessible_and_fitting
from assistant import FRONT_DOOR, Assistant
from pages import Pages
from server_process import ServerProcess
from sound_card import Recording, SoundCard

NAME_OF_FOCUSED = """() => {
  const focused = document.activeElement;
  if (focused === document.body) return "";
  return (focused.getAttribute("aria-label") ?? focused.labels?.[0]?.textContent ?? focused.textContent).trim();
}"""


def tab_to(page: Page, name: str, key: str = "Tab") -> None:
    """Move the focus with a key to what has a name like this regular expression."""
    reached: list[str] = []
    for _ in range(80):
        page.keyboard.press(key)
        reached.append(page.evaluate(NAME_OF_FOCUSED))
        if re.match(name, reached[-1]):
            return
    raise AssertionError(f"{key} does not reach {name!r}: {reached}")


def test_keys_do_what_their_help_says_and_the_microphone_is_tested_before_talking(
    server: ServerProcess, pages: Pages, sound_card: SoundCard, recordings: Path, pictures: Path, theme: str
) -> None:
    page = pages.open(server.url, script="counted_microphone.js")
    assistant = Assistant(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    assert_accessible_and_fitting(page, pictures, "keyboard-help", theme)
    page.keyboard.press("t")  # a dialog covers the page
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("/")
    page.keyboard.type("am/?")
    expect(page.locator("#text")).to_have_value("am/?")

    page.get_by_role("button", name="Test your microphone").click()
    check = page.get_by_role("dialog", name="Test your microphone")
    expect(check.get_by_role("status")).to_contain_text("stays on this device")
    assert page.evaluate("window.microphoneRequests") == []
    check.get_by_role("button", name="Start the test").click()
    expect(check.get_by_label("Microphone").locator("option", has_text="microphone")).to_be_attached()
    with sound_card.saying(recordings / "is_the_front_door_locked.flac"):
        expect(check.get_by_role("status")).to_have_text("Your microphone works.")
    assert_accessible_and_fitting(page, pictures, "microphone-check", theme)
    page.keyboard.press("Escape")

    for key, text in {"t": "Listening", "m": "Microphone off", "M": "Listening", "h": "Tap to talk"}.items():
        page.keyboard.press(key)
        expect(assistant.activity).to_have_text(re.compile(f"^{text}"))
    page.keyboard.press("?")
    page.get_by_label("Use single keys").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    page.keyboard.press("?")
    expect(assistant.activity).to_have_text("Tap to talk")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_five_tasks_are_done_with_the_keyboard_alone(
    server: ServerProcess, pages: Pages, sound_card: SoundCard, speaker: Recording, recordings: Path
) -> None:
    """Talk, interrupt, type, find out why it was slow, caption a file."""
    page = pages.open(server.url)
    page.on("filechooser", lambda _: None)  # the browser reports choosers from now on, else perhaps not the first
    assistant = Assistant(page)
    tab_to(page, "Start talking")
    page.keyboard.press("Enter")
    expect(assistant.activity).to_have_text("Listening")
    sound_card.say(recordings / "is_the_front_door_locked.flac")
    expect(assistant.questions.last).to_contain_text(FRONT_DOOR)
    expect(assistant.activity).to_contain_text("Speaking")
    page.keyboard.press("Escape")
    expect(assistant.activity).to_have_text("Listening")

    page.keyboard.press("/")
    page.keyboard.type("Say hello.")
    page.keyboard.press("Enter")
    expect(assistant.questions.last).to_contain_text("Say hello.")
    expect(page.locator("details.latency").first).to_be_visible()
    tab_to(page, "First sound after", "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("img", name="End of turn detected")).to_be_visible()

    tab_to(page, "More$", "Shift+Tab")
    page.keyboard.press("Enter")
    tab_to(page, "Live captions")
    page.keyboard.press("Enter")
    page.wait_for_url("**/captions/")
    tab_to(page, "Name of the room")
    page.keyboard.press("Control+A")
    page.keyboard.type("keyboard")
    page.keyboard.press("Enter")
    page.wait_for_url("**/captions/keyboard/speak")
    expect(page.locator("#room")).to_have_text("keyboard")  # a file cannot be chosen before the page is ready
    tab_to(page, "Microphone")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    tab_to(page, "Recording")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(recordings / "is_the_front_door_locked.flac")
    tab_to(page, "Start caption")
    page.keyboard.press("Enter")
    expect(page.locator("#text")).to_contain_text(FRONT_DOOR)
