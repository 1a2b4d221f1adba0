"""The playground: everything about a session, to see and to change."""

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from accessibility import assert_accessible_and_fitting
from fake_provider import FakeProvider
from pages import Pages
from server_process import ServerProcess
from sound_card import SoundCard


def connect(page: Page) -> None:
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="Connected: WebSocket, PCM")).to_be_visible()


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def test_a_turn_with_a_tool_is_seen_filtered_and_downloaded_and_the_session_is_changed(
    server: ServerProcess, provider: FakeProvider, pages: Pages, pictures: Path, theme: str
) -> None:
    page = pages.open(f"{server.url}/playground", viewport={"width": 1280, "height": 800})
    events = page.get_by_role("listbox", name="Events").get_by_role("option")
    page.get_by_label("Maximum output tokens").fill("7")
    page.get_by_role("button", name="Apply").click()
    page.get_by_role("button", name="Undo changes").click()
    expect(page.get_by_text("This is sent when you connect.")).to_have_count(0)
    page.get_by_label("Reply as", exact=True).select_option("text only")
    page.get_by_role("button", name="Apply").click()
    connect(page)
    expect(page.get_by_label("Type a message")).to_be_enabled()
    sent = [event for event in pages.events if event["type"] == "session.update"]
    assert sent[0]["session"]["output_modalities"] == ["text"]
    assert "max_output_tokens" not in sent[0]["session"]

    # A tool with a made-up answer
    open_tab(page, "Tools")
    page.get_by_role("button", name="Save tool").click()
    provider.calls = [("get_weather", '{"city": "Paris"}')]
    provider.answer = "It is 21 degrees."
    page.get_by_label("Type a message").fill("How warm is it in Paris?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("list", name="Messages")).to_contain_text("It is 21 degrees.")
    outputs = [event["item"] for event in pages.events if event.get("item", {}).get("type") == "function_call_output"]
    assert json.loads(outputs[0]["output"]) == {"temperature": 21, "sky": "clear"}

    # The log: filter, one event, JSONL
    page.get_by_label("Filter by text").fill("get_weather")
    page.get_by_label("Direction").select_option("From the server")
    page.get_by_label("Kind of event").select_option("Tools")
    expect(events).to_have_count(1)
    expect(events).to_contain_text("response.function_call_arguments.done")
    page.get_by_role("listbox", name="Events").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("The event as JSON")).to_contain_text('"name": "get_weather"')
    with page.expect_download() as download:
        page.get_by_role("button", name="Download JSONL").click()
    (line,) = download.value.path().read_text().splitlines()
    assert json.loads(line)["event"]["arguments"] == '{"city": "Paris"}'
    for label in ("Direction", "Kind of event"):
        page.get_by_label(label).select_option(index=0)
    page.get_by_label("Filter by text").fill("")

    # A change that the server refuses, at its field; and one that it accepts
    open_tab(page, "Session")
    page.get_by_label("Maximum output tokens").fill("0")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_label("Maximum output tokens")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#field-max_output_tokens-problem")).to_contain_text("'session.max_output_tokens'")
    assert_accessible_and_fitting(page, pictures, "playground-events", theme)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.get_by_role("button", name="Close").click()
    page.get_by_label("Maximum output tokens").fill("100")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#session-differences")).to_have_text('max_output_tokens: "inf" → 100')
    expect(page.locator("#field-max_output_tokens-problem")).to_be_empty()

    # The program is that of the present session
    open_tab(page, "Code")
    program = page.get_by_label("The program")
    expect(program).to_contain_text('"max_output_tokens": 100')
    expect(program).to_contain_text('model="gpt-realtime"')
    page.get_by_role("button", name="Disconnect").click()
    page.get_by_label("Language model").select_option("smollm2-135m")
    expect(program).to_contain_text('model="smollm2-135m"')

    # The figures of both answers
    open_tab(page, "Replies")
    expect(page.get_by_role("region", name="All replies").locator("tbody tr")).to_have_count(2)
    expect(page.locator("#chart svg rect").first).to_be_attached()
    open_tab(page, "Tools")
    assert_accessible_and_fitting(page, pictures, "playground-answers", theme)


def test_both_sides_of_a_spoken_turn_are_drawn(
    server: ServerProcess, pages: Pages, sound_card: SoundCard, recordings: Path, pictures: Path
) -> None:
    page = pages.open(f"{server.url}/playground", viewport={"width": 1280, "height": 800})
    connect(page)
    page.get_by_role("button", name="Microphone").click()
    expect(page.get_by_role("button", name="Microphone")).to_have_attribute("aria-pressed", "true")
    sound_card.say(recordings / "is_the_front_door_locked.flac")
    page.get_by_text("As text").click()
    words = page.get_by_label("What happened in the sound")
    expect(words).to_contain_text("You speak")
    expect(words).to_contain_text("Reply is heard")
    page.get_by_role("button", name="Interrupt").click()
    page.get_by_role("button", name="Microphone").click()
    coloured = """canvas => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const rows = new Set();
        for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 250) rows.add(Math.floor(i / 4 / canvas.width));
        return rows.size / canvas.height;
    }"""
    assert page.get_by_label("Sound up to now").evaluate(coloured) > 0.5
    page.screenshot(path=pictures / "playground-sound.png")
    open_tab(page, "Replies")
    expect(page.get_by_role("region", name="All replies")).to_contain_text("server, from the end of speech")
