"""Written messages and their answers: in order, one each, and by whom."""

import re

import pytest
from playwright.sync_api import expect

from assistant import Assistant
from fake_provider import FakeProvider
from pages import Pages, unanswered
from server_process import ServerProcess


def order(assistant: Assistant) -> list[str]:
    """The messages by who they are of, and the user's words."""
    items = assistant.page.locator("#messages > li")
    return [
        item.inner_text().removeprefix("You: ").strip() if "user" in (item.get_attribute("class") or "") else "reply"
        for item in items.all()
    ]


def test_messages_that_are_written_while_connecting_keep_their_order_and_are_all_answered(
    server: ServerProcess, pages: Pages
) -> None:
    assistant = Assistant(pages.open(server.url))
    with unanswered(assistant.page.context, "**/capabilities"):
        assistant.write("first message")
        expect(assistant.questions).to_have_text("You: first message", timeout=1000)
        assistant.write("second message")
        assistant.write("third message")
        expect(assistant.questions).to_have_count(3, timeout=1000)
        assert assistant.notice("").count() == 0
    expect(assistant.replies).to_have_count(3)
    expect(assistant.replies.last).to_contain_text(re.compile(r"Assistant: \w"))
    words = [entry.splitlines()[-1] for entry in order(assistant)]
    assert words == ["first message", "reply", "second message", "reply", "third message", "reply"]
    expect(assistant.notice("")).to_have_count(0)


@pytest.mark.slow  # as the test before it, with a connection
def test_messages_in_quick_succession_are_all_answered(server: ServerProcess, pages: Pages) -> None:
    assistant = Assistant(pages.open(server.url))
    assistant.write("Say hello.")
    expect(assistant.replies).to_have_count(1)
    assistant.reply_in_text()
    assistant.write("second message")
    assistant.write("third message")
    expect(assistant.replies).to_have_count(3)
    expect(assistant.notice("")).to_have_count(0)


def test_a_reply_of_the_model_that_stands_in_says_so_and_why(
    server: ServerProcess, provider: FakeProvider, pages: Pages
) -> None:
    assistant = Assistant(pages.open(server.url))
    assistant.write("Say hello.")
    expect(assistant.replies.last).to_contain_text("Hello there.")
    expect(assistant.page.locator(".fallback")).to_have_count(0)
    provider.error = (429, "You exceeded your current quota.")
    assistant.write("Say hello again.")
    note = assistant.page.locator("#messages li.assistant").last.locator(".fallback")
    expect(note).to_have_text("Answered by smollm2-135m: remote: You exceeded your current quota.")


def test_an_answer_that_failed_can_be_asked_for_again(
    server: ServerProcess, provider: FakeProvider, pages: Pages
) -> None:
    assistant = Assistant(pages.open(server.url))
    provider.error = (400, "Your prompt was flagged.")
    assistant.write("Say hello.")
    retry = assistant.page.get_by_role("button", name="Retry")
    expect(retry).to_be_visible()
    provider.error = None
    retry.click()
    expect(assistant.replies.last).to_contain_text("Hello there.")
    expect(retry).to_have_count(0)
    expect(assistant.questions).to_have_count(1)


def test_one_s_own_message_is_scrolled_to(server: ServerProcess, provider: FakeProvider, pages: Pages) -> None:
    assistant = Assistant(pages.open(server.url, viewport={"width": 700, "height": 500}))
    page = assistant.page
    provider.answer = "A sentence of some length that takes its place. " * 30
    assistant.write("Tell me something long.")
    expect(assistant.replies.last).to_contain_text("takes its place")
    page.locator("#conversation").hover()
    page.mouse.wheel(0, -3000)
    expect(page.get_by_role("button", name="Jump to latest")).to_be_hidden()
    assistant.write("And then?")
    expect(assistant.questions.last).to_be_in_viewport()


def test_a_long_conversation_does_not_make_the_document_longer(
    server: ServerProcess, provider: FakeProvider, pages: Pages
) -> None:
    assistant = Assistant(pages.open(server.url, viewport={"width": 360, "height": 640}))
    provider.answer = "A sentence of some length that takes its place. " * 30
    for count in (1, 2):
        assistant.write("Tell me something long.")
        expect(assistant.replies).to_have_count(count)
        expect(assistant.replies.last).to_contain_text("takes its place")
    assert assistant.page.evaluate("document.documentElement.scrollHeight <= innerHeight")
