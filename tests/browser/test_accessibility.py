"""The assistant page: nothing that axe objects to, in both themes; nothing wider than a phone; usable by keyboard."""

import re
from pathlib import Path

from playwright.sync_api import expect

from accessibility import assert_accessible_and_fitting
from assistant import Assistant
from fake_provider import FakeProvider
from pages import Pages
from server_process import ServerProcess


def test_the_page_is_accessible_and_fits_and_the_tab_key_reaches_everything(
    server: ServerProcess, pages: Pages, pictures: Path, theme: str
) -> None:
    page = pages.open(server.url)
    names = page.get_by_role("button").evaluate_all("all => all.filter(each => each.checkVisibility()).length")
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.outerHTML.slice(0, 200)"))
    assert sum("<button" in each for each in reached) == names
    assert any("<textarea" in each or 'id="text"' in each for each in reached)
    assert_accessible_and_fitting(page, pictures, "assistant", theme)


def test_a_conversation_and_the_settings_are_accessible(
    server: ServerProcess, pages: Pages, pictures: Path, theme: str
) -> None:
    assistant = Assistant(pages.open(server.url, permissions=["clipboard-read"]))
    assistant.talk.click()
    expect(assistant.notice("Microphone access is blocked.")).to_be_visible()
    assistant.write("Say hello.")
    expect(assistant.replies.last).to_contain_text(re.compile(r"Assistant: \w"))
    assert_accessible_and_fitting(assistant.page, pictures, "conversation", theme)
    assistant.page.get_by_role("button", name="Settings").click()
    expect(assistant.page.get_by_label("Language model").locator("option")).not_to_have_count(1)
    assert_accessible_and_fitting(assistant.page, pictures, "settings", theme)


def test_who_answered_and_what_failed_is_accessible(
    server: ServerProcess, provider: FakeProvider, pages: Pages, pictures: Path, theme: str
) -> None:
    assistant = Assistant(pages.open(server.url))
    provider.error = (429, "You exceeded your current quota.")
    assistant.write("Say hello.")
    expect(assistant.page.locator(".fallback")).to_be_visible()
    provider.error = (400, "Your prompt was flagged.")
    assistant.write("Say hello again.")
    expect(assistant.page.get_by_role("button", name="Retry")).to_be_visible()
    assert_accessible_and_fitting(assistant.page, pictures, "fallback", theme)


def test_code_tables_text_from_right_to_left_and_the_editor_are_accessible(
    server: ServerProcess, provider: FakeProvider, pages: Pages, pictures: Path, theme: str
) -> None:
    assistant = Assistant(pages.open(server.url))
    assistant.reply_in_text()
    provider.answer = "مرحبا **بك** في echo.\n\n- واحد\n- اثنان"
    assistant.write("قل مرحبا")
    expect(assistant.replies.last.get_by_role("listitem").last).to_be_visible()
    code = "```python\nprint('a line of code that is longer than a phone is wide, so that it scrolls')\n```"
    table = "| a | b | c |\n|---|--:|:-:|\n" + "| first column | second column | third column |\n" * 2
    provider.answer = f"### **Note**\n\nSee `x` in [docs](https://e.org):\n\n1. a\n   - b\n\n> c\n\n{code}\n\n{table}"
    assistant.write("Show me `code`.")
    expect(assistant.replies.last.get_by_role("cell").last).to_be_visible()
    expect(assistant.page.get_by_role("button", name="Ask again")).to_be_visible()
    assistant.page.get_by_role("button", name="Edit").first.click()
    assert_accessible_and_fitting(assistant.page, pictures, "markdown", theme)


def test_the_theme_can_be_changed_and_is_kept(server: ServerProcess, pages: Pages) -> None:
    page = pages.open(server.url, color_scheme="light")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="More").click()
    page.get_by_label("Dark").check()
    page.get_by_label("Large").check()
    page.reload()
    assert page.evaluate(background) != light
    page.get_by_role("button", name="More").click()
    expect(page.get_by_label("Large")).to_be_checked()
    page.get_by_label("System").check()
    page.reload()
    assert page.evaluate(background) == light


def test_a_message_is_readable_from_right_to_left_in_forced_colours_and_printed(
    server: ServerProcess, pages: Pages, pictures: Path
) -> None:
    assistant = Assistant(pages.open(server.url, forced_colors="active"))
    assistant.write("ما هو echo؟")
    page, question = assistant.page, assistant.questions.last
    assert question.evaluate("element => getComputedStyle(element).direction") == "rtl"
    seen = "element => { const s = getComputedStyle(element); return [s.backgroundColor, s.borderTopColor]; }"
    assert question.evaluate(seen)[1] != page.locator("main").evaluate(seen)[0]  # its frame is seen
    chosen, other = page.locator(".modes span").all()
    assert chosen.evaluate(seen)[0] != other.evaluate(seen)[0]
    page.screenshot(path=pictures / "forced-colours.png")
    page.emulate_media(media="print", forced_colors="none")
    expect(question).to_be_visible()
    expect(assistant.talk).to_be_hidden()
    assert page.locator("main").evaluate("main => getComputedStyle(main).overflowY") == "visible"
    assert page.evaluate("getComputedStyle(document.body).display") == "block"  # a grid has the height of one page
