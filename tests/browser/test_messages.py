"""What can be done with messages: read them as Markdown, select, copy, ask again, change and play them."""

import pytest
from playwright.sync_api import expect

from assistant import Assistant
from fake_provider import FakeProvider
from pages import Pages
from server_process import ServerProcess
from sound_card import Recording

CLIPBOARD = ["microphone", "clipboard-read", "clipboard-write"]


@pytest.fixture
def assistant(server: ServerProcess, pages: Pages) -> Assistant:
    opened = Assistant(pages.open(server.url, permissions=CLIPBOARD))
    expect(opened.page.locator("#model")).to_have_text("remote")
    opened.reply_in_text()
    return opened


def clipboard(assistant: Assistant) -> str:
    return assistant.page.evaluate("navigator.clipboard.readText()")


def test_a_reply_is_read_selected_and_copied_while_it_is_written(assistant: Assistant, provider: FakeProvider) -> None:
    page = assistant.page
    provider.answer = "**Note:** see [the docs](https://example.org/a).\n\n```python\nprint(1)\n"
    provider.more = "print(2)\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n![](javascript:alert(1))"
    field = page.get_by_label("Type a message")
    field.press_sequentially("Show me `code`,")
    field.press("Shift+Enter")
    field.press_sequentially("please.")
    field.press("Enter")
    expect(field).to_have_value("")
    expect(assistant.questions.locator("code")).to_have_text("code")
    reply = assistant.replies.last
    expect(reply.locator("pre")).to_have_text("print(1)")
    expect(assistant.activity).to_have_text("Replying…")
    expect(reply.locator("strong")).to_have_text("Note:")
    reply.locator("strong").select_text()
    reply.get_by_role("link", name="the docs").focus()
    provider.go_on.set()
    expect(reply.get_by_role("cell", name="2")).to_be_visible()
    assert page.evaluate("getSelection().toString()") == "Note:"
    link = reply.get_by_role("link", name="the docs")
    expect(link).to_be_focused()
    for name, value in (("href", "https://example.org/a"), ("rel", "noopener noreferrer"), ("target", "_blank")):
        expect(link).to_have_attribute(name, value)
    expect(reply).to_contain_text("![](javascript:alert(1))")
    reply.get_by_role("button", name="Copy the code").click()
    expect(reply.get_by_role("button", name="Copied")).to_be_visible()
    assert clipboard(assistant) == "print(1)\nprint(2)"
    assistant.page.get_by_role("button", name="Copy", exact=True).last.click()
    assert clipboard(assistant) == provider.answer + provider.more
    assert provider.asked == ["Show me `code`,\nplease."]


def test_an_answer_is_asked_for_again_and_a_message_in_other_words(
    assistant: Assistant, provider: FakeProvider, speaker: Recording
) -> None:
    page = assistant.page
    assistant.write("First.")
    expect(assistant.replies.last).to_contain_text("Hello there.")
    provider.answer = "Another one."
    page.get_by_role("button", name="Ask again").click()
    expect(assistant.replies).to_have_text("Assistant: Another one.")
    assert provider.asked == ["First."]
    assistant.write("Second.")
    expect(assistant.replies).to_have_count(2)
    page.get_by_role("button", name="Edit").first.click()
    field = page.get_by_label("Edit the message")
    expect(field).to_be_focused()
    field.fill("First, in other words.")
    field.press("Enter")
    expect(assistant.questions).to_have_text("You: First, in other words.")
    expect(assistant.replies).to_have_text("Assistant: Another one.")
    assert provider.asked == ["First, in other words."]
    expect(assistant.notice("")).to_have_count(0)
    page.get_by_role("button", name="Play aloud").click()
    speaker.wait_for_sound(300)
    expect(page.get_by_role("button", name="Play aloud")).to_be_visible()
    expect(assistant.notice("")).to_have_count(0)


def test_a_reply_can_be_selected_while_it_is_spoken(
    server: ServerProcess, provider: FakeProvider, pages: Pages, speaker: Recording
) -> None:
    assistant = Assistant(pages.open(server.url))
    provider.answer = "One, **two**, three, four, five, six, seven, eight, nine, ten."
    assistant.write("Count.")
    speaker.wait_for_sound(300)
    reply = assistant.replies.last
    expect(reply).to_contain_text("ten.")  # its text comes with its audio, in pieces
    expect(reply.locator(".unsaid").last).to_be_visible()
    reply.locator("p").select_text()
    expect(reply.locator(".unsaid")).to_have_count(0)
    said = "One, two, three, four, five, six, seven, eight, nine, ten."
    assert assistant.page.evaluate("getSelection().toString()").strip() == said


def test_a_message_that_is_too_long_is_not_cut(assistant: Assistant) -> None:
    field = assistant.page.get_by_label("Type a message")
    field.fill("x" * 8001)
    field.press("Enter")
    expect(assistant.page.get_by_text("Too long to send: 8001 of 8000 characters")).to_be_visible()
    expect(assistant.questions).to_have_count(0)
    field.fill("one\ntwo")
    assert field.bounding_box()["height"] > 60
    expect(assistant.page.get_by_text("Too long to send")).to_be_hidden()


def test_what_is_opened_stays_in_sight_while_a_reply_comes(assistant: Assistant, provider: FakeProvider) -> None:
    page = assistant.page
    page.set_viewport_size({"width": 700, "height": 500})
    provider.answer = "A sentence of some length that takes its place. " * 30
    assistant.write("Tell me something long.")
    expect(assistant.replies.last).to_contain_text("takes its place")
    provider.more = provider.answer
    assistant.write("And more.")
    expect(assistant.activity).to_have_text("Replying…")
    page.evaluate(
        """() => {
            const details = document.createElement("details");
            details.append("What was opened.");
            document.querySelector("li.message").append(details);
            details.open = true;
        }"""
    )
    expect(page.get_by_text("What was opened.")).to_be_in_viewport()
    provider.go_on.set()
    expect(assistant.activity).not_to_have_text("Replying…")
    expect(page.get_by_role("button", name="Jump to latest")).to_be_visible()
    expect(page.get_by_text("What was opened.")).to_be_in_viewport()
