"""Makes the pictures of the README: `python docs/images/make.py`. Needs what the browser tests need, and the weights.

A recorded question is spoken into a virtual microphone; the embedded models hear it and answer.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/browser"))

from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright  # noqa: E402

from assistant import Assistant  # noqa: E402
from chromium import ARGUMENTS, CHROMIUM  # noqa: E402
from server_process import ServerProcess  # noqa: E402
from sound_card import SoundCard  # noqa: E402

SIZE = ViewportSize(width=1000, height=640)
QUESTIONS = {"is_the_front_door_locked.flac": "front door", "is_the_garage_door_open.flac": "garage door"}
"""Recordings, with words that must be recognised; on a busy machine some are lost, and there is no picture."""

INSTRUCTIONS = "You are the voice of a house. All doors are closed and locked. Answer in one short sentence."


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        SoundCard(Path(name)).running() as card,
        sync_playwright() as play,
    ):
        server = ServerProcess(Path(name), instructions=INSTRUCTIONS)
        server.start()
        browser = play.chromium.launch(
            executable_path=CHROMIUM, args=list(ARGUMENTS), ignore_default_args=["--mute-audio"], env=card.environment
        )
        try:
            picture_of_a_conversation(browser, server, card)
        finally:
            browser.close()
            server.stop()


def picture_of_a_conversation(browser: Browser, server: ServerProcess, card: SoundCard) -> None:
    page = browser.new_context(viewport=SIZE, permissions=["microphone"]).new_page()
    page.goto(server.url)
    assistant = Assistant(page)
    assistant.start()
    for number, (question, words) in enumerate(QUESTIONS.items(), 1):
        card.say(ROOT / "fixtures" / question)
        expect(assistant.questions).to_have_count(number, timeout=60_000)
        expect(assistant.questions.last).to_contain_text(words)
        expect(assistant.replies).to_have_count(number, timeout=60_000)
        expect(assistant.activity).to_have_text("Listening", timeout=60_000)
    page.screenshot(path=ROOT / "docs/images/assistant.png")


if __name__ == "__main__":
    main()
