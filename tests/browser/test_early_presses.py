"""What the user does before the modules of a page are there is not lost."""

from playwright.sync_api import expect

from assistant import Assistant
from pages import Pages, unanswered
from server_process import ServerProcess

MODULES = "**/assistant/main.js"
FORGOTTEN = "Object.defineProperty(navigator, 'userActivation', { value: { isActive: false } })"
"""The browser no longer counts the press: it was long ago."""


def test_what_is_pressed_and_sent_early_is_done_later(server: ServerProcess, pages: Pages) -> None:
    context = pages.context()
    page = context.new_page()
    assistant = Assistant(page)
    with unanswered(context, MODULES):
        page.goto(server.url, wait_until="commit")
        assistant.talk.click()
        expect(assistant.activity).to_have_text("Connecting…")
        expect(assistant.talk).to_have_attribute("aria-busy", "true")
        page.locator("#text").fill("Are you there?")
        page.keyboard.press("Enter")
        expect(page.locator("#write")).to_have_attribute("aria-busy", "true")
    expect(assistant.questions).to_contain_text(["Are you there?"])
    expect(page.locator("#mute")).to_be_visible()
    expect(page.locator("#text")).to_have_value("")


def test_a_press_that_is_long_past_opens_no_microphone(server: ServerProcess, pages: Pages) -> None:
    context = pages.context()
    context.add_init_script(FORGOTTEN)
    page = context.new_page()
    assistant = Assistant(page)
    with unanswered(context, MODULES):
        page.goto(server.url, wait_until="commit")
        assistant.talk.click()
        expect(assistant.activity).to_have_text("Connecting…")
    expect(assistant.activity).to_have_text("Tap to talk")
    expect(page.locator("#end")).to_be_hidden()
