"""Conversations that are kept in the browser: they survive a reload, and can be found, opened and deleted."""

from pathlib import Path

from playwright.sync_api import Page, expect

from accessibility import assert_accessible_and_fitting
from assistant import Assistant
from fake_provider import FakeProvider
from pages import Pages
from server_process import ServerProcess


def open_history(page: Page) -> None:
    page.get_by_role("button", name="Past conversations").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_a_conversation_survives_a_reload_and_is_found_opened_and_deleted(
    server: ServerProcess, provider: FakeProvider, pages: Pages, pictures: Path, theme: str
) -> None:
    assistant = Assistant(pages.open(server.url))
    page, questions = assistant.page, assistant.questions
    assistant.reply_in_text()
    assistant.write("Tell me about bridges.")
    expect(assistant.replies).to_contain_text("Hello there.")
    page.reload()
    expect(questions).to_have_text("You: Tell me about bridges.")
    expect(assistant.replies).to_contain_text("Hello there.")
    expect(assistant.path).to_have_text("Not connected")
    assistant.write("And tunnels?")
    expect(assistant.replies).to_have_count(2)
    expect(assistant.replies.last).to_contain_text("Hello there.")
    assert "bridges" in str(provider.requests[-1]), "the model is told of what was said before the reload"

    page.get_by_role("button", name="New conversation").click()
    expect(questions).to_have_count(0)
    assistant.notice("Conversation closed.").get_by_role("button", name="Undo").click()
    expect(questions).to_have_count(2)
    page.get_by_role("button", name="New conversation").click()
    assistant.write("Something else.")
    expect(assistant.replies).to_contain_text("Hello there.")
    assert "bridges" not in str(provider.requests[-1])

    open_history(page)
    rows = page.locator("#history-list li")
    expect(rows).to_have_count(2)
    assert_accessible_and_fitting(page, pictures, "history", theme)
    page.set_viewport_size({"width": 320, "height": 640})
    expect(page.get_by_role("button", name="Delete “Something else.”")).to_be_in_viewport(ratio=1)
    page.get_by_label("Search conversations").fill("TUNNELS")
    expect(rows).to_have_count(1)
    rows.locator(".past").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(questions).to_have_text(["You: Tell me about bridges.", "You: And tunnels?"])

    open_history(page)
    page.get_by_role("button", name="Delete “Tell me about bridges.”").click()
    expect(rows).to_have_count(1)
    expect(questions).to_have_count(0)
    page.get_by_role("dialog").get_by_role("button", name="Undo").click()
    expect(rows).to_have_count(2)
    page.get_by_label("Keep conversations in this browser").uncheck()
    question = page.get_by_role("dialog", name="Stop keeping conversations, and delete the 2 that are kept?")
    assert_accessible_and_fitting(page, pictures, "history-question", theme)
    question.get_by_role("button", name="Cancel").click()
    expect(page.get_by_label("Keep conversations in this browser")).to_be_checked()
    page.get_by_label("Keep conversations in this browser").uncheck()
    question.get_by_role("button", name="Delete").click()
    expect(rows).to_have_count(0)
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    assistant.write("Nobody keeps this.")
    expect(questions).to_have_count(1)
    page.reload()
    open_history(page)
    expect(page.get_by_role("dialog")).to_contain_text("No conversations yet.")
    expect(questions).to_have_count(0)
