"""When the microphone is opened, and who gets what it hears."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from accessibility import assert_accessible_and_fitting
from assistant import Assistant
from pages import FOLDER, Pages, unreachable_server
from server_process import ServerProcess
from streamsrv.engines.absent import AbsentRecognizer
from streamsrv.testing.fakes import fake_engines
from waiting import until

StartServer = Callable[..., ServerProcess]
Serve = Callable[..., str]
COUNTED = "counted_microphone.js"


@pytest.fixture
def deaf_server(light_server: Serve) -> str:
    """The address of a server that cannot recognise speech."""
    return light_server(fake_engines(recognizer=AbsentRecognizer()))


def requests(page: Page) -> list[str]:
    return page.evaluate("microphoneRequests")


def open_counted(pages: Pages, url: str) -> Assistant:
    return Assistant(pages.open(url, script=COUNTED))


def expect_answer(assistant: Assistant, count: int = 1) -> None:
    expect(assistant.replies).to_have_count(count)
    expect(assistant.replies.last).to_contain_text(re.compile(r"Assistant: \w"))


@pytest.mark.parametrize("preference", [pytest.param("ask", marks=pytest.mark.slow), "allowed"])
def test_writing_opens_no_microphone_where_the_server_cannot_hear(
    deaf_server: str, pages: Pages, preference: str
) -> None:
    page = pages.context().new_page()
    page.add_init_script(path=FOLDER / COUNTED)
    page.add_init_script(f"""localStorage.setItem("streamsrv.assistant", '{{"browserRecognition": "{preference}"}}')""")
    page.goto(deaf_server)
    assistant = Assistant(page)
    assistant.write("Say hello.")
    expect_answer(assistant)
    expect(page.locator("#consent-dialog")).to_be_hidden()
    assert requests(page) == []


def test_writing_opens_no_microphone_while_the_server_is_away_and_when_it_is_back(
    server: ServerProcess, pages: Pages
) -> None:
    assistant = open_counted(pages, server.url)
    pages.allow("ERR_CONNECTION_REFUSED")
    notice = assistant.notice("The server can't be reached")
    with unreachable_server(assistant.page.context):
        assistant.write("Say hello.")
        expect(notice).to_be_visible()
        expect(assistant.questions).to_have_count(1)
        expect(assistant.activity).to_have_text("Not connected – tap to try again")
        expect(assistant.page.locator("#mute")).to_be_hidden()
        assert requests(assistant.page) == []
    notice.get_by_role("button", name="Try again").click()
    expect_answer(assistant)
    assert requests(assistant.page) == []


def test_writing_opens_no_microphone_when_the_server_asks_for_a_key(light_server: Serve, pages: Pages) -> None:
    server = light_server(api_keys="sk-local-1")
    pages.allow("401")
    assistant = open_counted(pages, server)
    assistant.write("Say hello.")
    key = assistant.page.get_by_label("Key", exact=True)
    key.fill("sk-wrong")
    key.press("Enter")
    expect(assistant.page.get_by_role("dialog")).to_contain_text("That key wasn't accepted.")
    assistant.page.keyboard.type("sk-local-1")  # in place of the wrong one, which is selected
    assistant.page.get_by_role("button", name="Connect", exact=True).click()
    expect_answer(assistant)
    assert requests(assistant.page) == []


@pytest.mark.slow  # it starts a server twice
def test_writing_opens_no_microphone_after_a_lost_connection(own_server: StartServer, pages: Pages) -> None:
    server = own_server()
    pages.allow("ERR_CONNECTION|WebSocket connection|Failed to load resource")
    assistant = open_counted(pages, server.url)
    assistant.write("Say hello.")
    expect_answer(assistant)
    server.kill()
    expect(assistant.notice("lost")).to_be_visible()
    assistant.write("Are you there?")
    server.start()
    expect_answer(assistant, 2)
    assert requests(assistant.page) == []


def test_settings_and_modes_open_no_microphone(server: ServerProcess, pages: Pages) -> None:
    assistant = open_counted(pages, server.url)
    page = assistant.page
    assistant.write("Say hello.")
    expect_answer(assistant)
    expect(page.locator("#mute")).to_be_hidden()
    expect(assistant.activity).to_have_text(re.compile("^(Speaking – tap to interrupt|Microphone off – tap to talk)"))
    page.get_by_text("Push to talk").click()
    assistant.write("Say hello again.")
    page.get_by_text("Hands-free").click()
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Read replies aloud").uncheck()
    page.locator("select[name=deviceId]").evaluate(
        """select => { select.append(new Option("Other", "other")); select.value = "other";
                       select.dispatchEvent(new Event("change", { bubbles: true })); }"""
    )
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    page.get_by_role("button", name="New conversation").click()
    assistant.write("And once more.")
    expect_answer(assistant)
    assert requests(page) == []


def test_the_browser_s_recogniser_is_asked_for_before_it_is_used_and_the_answer_is_kept(
    deaf_server: str, pages: Pages, pictures: Path, theme: str
) -> None:
    assistant = open_counted(pages, deaf_server)
    page = assistant.page
    assistant.talk.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("goes to the company that makes your browser")
    assert_accessible_and_fitting(page, pictures, "consent", theme)
    assert requests(page) == []
    dialog.get_by_role("button", name="Use the browser's recognition").click()
    expect(assistant.activity).to_have_text("Listening")
    until(lambda: requests(page) == ["recogniser"], "the browser's recogniser is started")
    page.reload()
    assistant.talk.click()
    expect(assistant.activity).to_have_text("Listening")
    assert requests(page) == ["recogniser"], "asked for once"


def test_a_recogniser_that_is_lost_in_the_middle_closes_the_microphone_and_the_browser_s_is_asked_for(
    server: ServerProcess, pages: Pages
) -> None:
    context = pages.context()
    context.add_init_script(path=FOLDER / COUNTED)
    sockets: list[WebSocketRoute] = []

    def through(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    context.route_web_socket(re.compile("/v1/realtime"), through)
    page = context.new_page()
    page.goto(server.url)
    assistant = Assistant(page)
    assistant.choose_connection("WebSocket")
    assistant.start()
    failed = {"type": "conversation.item.input_audio_transcription.failed", "error": {"message": "It is gone."}}
    for item_id in ("item_1", "item_2"):
        sockets[-1].send(json.dumps(failed | {"event_id": "event_1", "item_id": item_id, "content_index": 0}))
    expect(page.get_by_role("dialog")).to_contain_text("company that makes your browser")
    assert page.evaluate("microphoneStreams.every(stream => stream.getTracks().every(t => t.readyState === 'ended'))")
    assert requests(page) == ["microphone"]


def test_who_refuses_the_browser_s_recogniser_types_and_can_change_that_in_the_settings(
    deaf_server: str, pages: Pages
) -> None:
    assistant = open_counted(pages, deaf_server)
    page = assistant.page
    assistant.talk.click()
    page.get_by_role("button", name="Only type").click()
    expect(assistant.path).to_contain_text("text input only")
    assistant.write("Say hello.")
    expect_answer(assistant)
    page.reload()
    assistant.talk.click()
    expect(assistant.path).to_contain_text("text input only")
    assert requests(page) == []
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("The browser's own speech recognition").select_option("allowed")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(assistant.activity).to_have_text("Listening")
    assert requests(page) == ["recogniser"]


@pytest.mark.slow  # test_fallback.py asks for it, too, without a server
def test_without_a_server_the_browser_s_recogniser_is_asked_for_too(server: ServerProcess, pages: Pages) -> None:
    assistant = open_counted(pages, server.url)
    pages.allow("ERR_CONNECTION_REFUSED")
    with unreachable_server(assistant.page.context):
        assistant.talk.click()
        expect(assistant.page.get_by_role("dialog")).to_contain_text("company that makes your browser")
        assert "recogniser" not in requests(assistant.page)


def test_the_page_works_where_site_data_is_blocked(server: ServerProcess, pages: Pages) -> None:
    context = pages.context()
    context.add_init_script(
        """const refuse = () => { throw new DOMException("denied", "SecurityError"); };
           for (const name of ["localStorage", "sessionStorage", "indexedDB"]) {
             Object.defineProperty(window, name, { get: refuse });
           }
           window.BroadcastChannel = class { constructor() { refuse(); } };"""  # as in Firefox
    )
    page = context.new_page()
    page.goto(server.url)
    assistant = Assistant(page)
    page.get_by_role("button", name="More").click()
    page.get_by_label("Dark").check()
    page.keyboard.press("Escape")
    assistant.choose_connection("WebSocket")
    assistant.write("Say hello.")
    expect_answer(assistant)
    page.get_by_role("button", name="Past conversations").click()
    expect(page.get_by_role("dialog")).to_contain_text("This browser keeps nothing for this page")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    page.get_by_role("button", name="New conversation").click()
    expect(assistant.questions).to_have_count(0)
    viewer = context.new_page()
    viewer.goto(f"{server.url}/captions/blocked")
    expect(viewer.get_by_text("Waiting for the speaker")).to_be_visible()
    viewer.get_by_role("button", name="Larger text").click()
    speaker = context.new_page()
    speaker.goto(f"{server.url}/captions/blocked/speak")
    speaker.get_by_role("button", name="Start captions").click()
    expect(speaker.get_by_role("button", name="Stop captions")).to_be_visible()
