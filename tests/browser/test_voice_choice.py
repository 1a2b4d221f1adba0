"""A user chooses the voice of the replies in the settings of the assistant's page."""

from pathlib import Path

from playwright.sync_api import expect

from assistant import Assistant
from pages import Pages
from server_process import ServerProcess

KEPT = "localStorage.setItem('streamsrv.assistant', JSON.stringify({ voice: 'voice_gone' }))"


def test_voices_are_shown_with_their_languages_and_a_voice_that_is_gone_is_replaced(
    server: ServerProcess, pages: Pages, pictures: Path
):
    page = pages.open(server.url)
    page.evaluate(KEPT)
    page.reload()
    assistant = Assistant(page)
    assistant.choose_connection("WebSocket")
    page.get_by_role("button", name="Settings").click()
    voice = page.locator("select[name=voice]")
    expect(voice).to_have_value("voice_gone")
    expect(voice.locator("option[value='heart']")).to_have_text("heart (female, English)")
    expect(voice.locator("option").first).to_have_text("Default (heart)")
    page.screenshot(path=pictures / "voice-choice.png")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    assistant.write("Hello!")
    expect(assistant.notice("The server has no voice voice_gone.")).to_be_visible()
    expect(assistant.replies.first).not_to_be_empty()
    confirmed = [event["session"] for event in pages.events if event["type"] == "session.updated"]
    assert confirmed[-1]["audio"]["output"]["voice"] == "heart"
    assert "words.timed" in confirmed[-1]["streamsrv"]["events"]
