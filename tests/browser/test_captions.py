"""Caption rooms as people use them: a speaker's page, viewers' pages, an overlay."""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from accessibility import assert_accessible_and_fitting
from assistant import FRONT_DOOR
from chromium import SHARED_TITLE
from pages import Pages
from server_process import ServerProcess
from sound_card import SoundCard
from streamsrv.testing.fakes import fake_engines
from waiting import until

BOOKS = re.compile("which were the immediate predecessors", re.IGNORECASE)
SOME_BOOKS = re.compile("book|which|were|immediate|predecessors|printed", re.IGNORECASE)
"""Of the same, what is heard of it through a sound card on a busy machine."""
Serve = Callable[..., str]
TRANSCRIPT_MS = 30_000
DESKTOP = {"width": 1280, "height": 800}


def watch(pages: Pages, server: ServerProcess, room: str, query: str = "", **options: object) -> Page:
    return pages.open(f"{server.url}/captions/{room}{query}", **options)


def speak(pages: Pages, server: ServerProcess, room: str, **options: object) -> Page:
    """A speaker's page whose captions are live."""
    page = pages.open(f"{server.url}/captions/{room}/speak", **options)
    page.get_by_role("button", name="Start captions").click()
    expect(page.get_by_role("button", name="Stop captions")).to_be_visible()
    return page


def caption_file(page: Page, recording: Path, pace: str = "As fast as possible") -> None:
    page.get_by_label("File").check()
    page.locator("#file").set_input_files(recording)
    page.get_by_label(pace).check()
    page.get_by_role("button", name="Start captions").click()


def text(page: Page) -> Locator:
    return page.locator("#text")


def final_text(page: Page) -> str:
    """The first text on this page that is final, once there is one."""
    final = page.locator(".utterance[data-final=true]").first
    final.wait_for(timeout=TRANSCRIPT_MS)
    return final.inner_text()


def test_three_viewers_read_what_is_said_one_of_them_late(
    server: ServerProcess, pages: Pages, sound_card: SoundCard, recordings: Path, pictures: Path
):
    first = watch(pages, server, "hall")
    second = watch(pages, server, "hall")
    expect(first.get_by_text("Waiting for the speaker")).to_be_visible()
    # Kept by the page itself, for the words may be final before this process has looked.
    first.evaluate(
        """() => { globalThis.tentative = new Set(); new MutationObserver(() => {
             for (const each of document.querySelectorAll(".tentative")) globalThis.tentative.add(each.textContent);
           }).observe(document.querySelector("#text"), {subtree: true, childList: true, characterData: true}); }"""
    )
    speaker = speak(pages, server, "hall")
    expect(first.get_by_text("Live", exact=True)).to_be_visible()
    sound_card.say(recordings / "block_books.flac")
    said = final_text(first)
    assert SOME_BOOKS.search(said)
    assert any(first.evaluate("[...globalThis.tentative]")), "words are shown before they are final"
    late = watch(pages, server, "hall")
    for page in (second, speaker, late):
        expect(text(page)).to_contain_text(said)
    speaker.get_by_role("button", name="Stop captions").click()
    expect(first.get_by_text("The speaker has left")).to_be_visible()
    first.screenshot(path=pictures / "captions-viewer.png")


@pytest.mark.slow  # it starts a server twice
def test_nothing_said_is_lost_when_the_server_is_restarted(
    own_server, pages: Pages, sound_card: SoundCard, recordings: Path
):
    server = own_server()
    pages.allow("Failed to load resource|WebSocket connection")
    viewer = watch(pages, server, "restart")
    speaker = speak(pages, server, "restart")
    sound_card.say(recordings / "block_books.flac")
    said = final_text(viewer)
    server.kill()
    expect(viewer.get_by_text("Connection lost", exact=True)).to_be_visible()
    expect(viewer.get_by_role("button", name="Try now")).to_be_visible()
    expect(speaker.get_by_role("alert")).to_contain_text("What you say now is lost.")
    server.start()
    expect(viewer.get_by_text("Live", exact=True)).to_be_visible(timeout=TRANSCRIPT_MS)
    expect(viewer.get_by_role("button", name="Try now")).to_be_hidden()
    expect(speaker.get_by_role("alert")).to_be_empty()
    sound_card.say(recordings / "lock_the_front_door.flac")
    expect(text(viewer)).to_contain_text(re.compile("door", re.IGNORECASE), timeout=TRANSCRIPT_MS)
    expect(text(viewer)).to_contain_text(said)


def test_a_file_is_captioned(server: ServerProcess, pages: Pages, recordings: Path):
    page = pages.open(f"{server.url}/captions/file/speak")
    caption_file(page, recordings / "is_the_front_door_locked.flac", pace="While it plays")
    expect(page.locator("#player")).to_be_visible()
    expect(text(page)).to_contain_text(FRONT_DOOR, timeout=TRANSCRIPT_MS)
    expect(page.get_by_role("button", name="Start captions")).to_be_enabled(timeout=TRANSCRIPT_MS)
    page.get_by_label("Microphone", exact=True).first.check()
    expect(page.locator("#player")).to_be_hidden()


def test_a_speaker_with_a_key_speaks_by_a_secret_of_its_room(light_server: Serve, pages: Pages, recordings: Path):
    pages.allow("401")
    server = light_server(fake_engines(transcript="Is the front door locked?"), api_keys="sk-local-1")
    page = pages.open(f"{server}/captions/file/speak")
    page.evaluate("sessionStorage.setItem('streamsrv.key', 'sk-local-1')")
    page.reload()
    expect(page.get_by_text("Viewers need an API key of this server")).to_be_visible()
    expect(page.get_by_text("Overlay for OBS").first).to_be_hidden()
    caption_file(page, recordings / "is_the_front_door_locked.flac", pace="While it plays")
    expect(text(page)).to_contain_text(re.compile("front door", re.IGNORECASE), timeout=TRANSCRIPT_MS)


def test_the_sound_of_another_tab_is_captioned(server: ServerProcess, pages: Pages, recordings: Path):
    pages.allow("camera is not allowed")  # Chromium says so of every shared tab, and shares it all the same
    recording = base64.b64encode((recordings / "block_books.flac").read_bytes()).decode()
    tab = pages.open("about:blank")
    tab.set_content(f"<title>{SHARED_TITLE}</title><audio controls src='data:audio/flac;base64,{recording}'></audio>")
    page = pages.open(f"{server.url}/captions/tab/speak")
    page.get_by_label("Browser tab").check()
    page.get_by_role("button", name="Start captions").click()
    expect(page.get_by_role("button", name="Stop captions")).to_be_visible()
    tab.locator("audio").evaluate("player => player.play()")
    expect(text(page)).to_contain_text(SOME_BOOKS, timeout=TRANSCRIPT_MS)
    tab.close()
    expect(page.get_by_role("button", name="Start captions")).to_be_enabled(timeout=TRANSCRIPT_MS)


def test_captions_are_downloaded(server: ServerProcess, spoken: str, pages: Pages):
    page = watch(pages, server, spoken)
    expect(text(page)).to_contain_text(BOOKS)
    for label, start in (("SubRip", "1\n00:00:"), ("WebVTT", "WEBVTT\n"), ("Text", "")):
        page.get_by_role("button", name="Download the captions").click()
        with page.expect_download() as download:
            page.get_by_role("button", name=f"{label} (").click()
        content = Path(download.value.path()).read_text()
        assert content.startswith(start)
        assert "predecessors of the true printed book" in content.replace("\n", " ")


def test_scrolling_back_stops_following_until_the_reader_wants_to(server: ServerProcess, spoken: str, pages: Pages):
    page = watch(pages, server, spoken, viewport={"width": 400, "height": 260})
    expect(text(page)).to_contain_text(BOOKS)
    for _ in range(4):
        page.get_by_role("button", name="Larger text").click()
    latest = page.get_by_role("button", name="Jump to latest")
    expect(latest).to_be_hidden()
    page.locator("#captions").hover()
    page.mouse.wheel(0, -2000)
    expect(latest).to_be_visible()
    latest.click()
    expect(latest).to_be_hidden()
    below = page.locator("#captions").evaluate("(e) => e.scrollHeight - e.scrollTop - e.clientHeight")
    assert below < 50


def test_a_speaker_directs_the_room(server: ServerProcess, pages: Pages, recordings: Path, pictures: Path):
    viewer = watch(pages, server, "directed")
    expect(viewer.get_by_role("button", name="download the captions")).to_be_disabled()
    page = pages.open(f"{server.url}/captions/directed/speak")
    page.get_by_text("Words", exact=True).click()
    page.get_by_label("Replacements").fill("printed book = printed volume\nnonsense")
    expect(page.get_by_text('"nonsense" has no "=".')).to_be_visible()
    page.get_by_role("button", name="QR code").click()
    code = page.locator("#code-image")
    until(lambda: code.evaluate("image => image.naturalWidth > 0"), "the QR code is drawn")
    page.screenshot(path=pictures / "captions-code.png")
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Start captions").click()
    expect(page.get_by_text("1 viewer", exact=True)).to_be_visible()
    page.get_by_label("Title for the viewers").press_sequentially("The keynote")  # and it keeps the focus
    expect(viewer.get_by_role("heading", name="The keynote")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(viewer.get_by_text("Paused", exact=True)).to_be_visible()
    page.get_by_role("button", name="Stop captions").click()
    expect(page.get_by_role("button", name="Start captions")).to_be_enabled()

    caption_file(page, recordings / "block_books.flac")
    expect(page.get_by_text("Done: 1 caption.")).to_be_visible(timeout=TRANSCRIPT_MS)
    expect(text(viewer)).to_contain_text("true printed volume")
    caption = page.get_by_title("Correct this caption")
    caption.focus()
    page.keyboard.press("Enter")
    field = page.get_by_label("Correct this caption")
    field.fill("No.")
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()
    page.keyboard.press("Enter")
    page.screenshot(path=pictures / "captions-correction.png")
    field.fill("Produced the block books.")
    page.keyboard.press("Enter")
    expect(text(viewer)).to_have_text(re.compile(r"Produced the block books\.\s*$"))
    expect(viewer.get_by_role("log")).to_contain_text("Corrected: Produced the block books.")
    expect(caption).to_be_focused()

    page.get_by_role("button", name="Clear…").click()
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(viewer.get_by_text("Nothing has been said yet")).to_be_visible()
    expect(page.get_by_role("button", name="download the captions")).to_be_disabled()
    page.reload()
    expect(page.get_by_label("Title for the viewers")).to_have_value("The keynote")


def test_captions_are_searched_copied_and_set_as_readers_like_and_overlays_designed(
    server: ServerProcess, spoken: str, pages: Pages, pictures: Path
):
    page = watch(pages, server, spoken, permissions=["clipboard-read", "clipboard-write"])
    expect(text(page)).to_contain_text(BOOKS)
    page.get_by_role("button", name="Search").click()
    page.keyboard.type("BOOK")
    expect(page.get_by_role("status").filter(has_text="2 of 2")).to_be_visible()
    assert page.evaluate("CSS.highlights.get('found').size") == 2
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="1 of 2")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Reading options").click()
    page.get_by_label("Show times").check()
    page.get_by_label("Letter spacing").select_option("Wide")
    expect(text(page)).to_contain_text("0:00")
    page.keyboard.press("Escape")
    page.reload()
    expect(page.locator(".time").first).to_be_visible()
    page.get_by_role("button", name="download the captions").click()
    page.get_by_role("button", name="Copy the text").click()
    until(lambda: "predecessors" in page.evaluate("navigator.clipboard.readText()"), "the text is copied")

    page.set_viewport_size(DESKTOP)
    page.goto(f"{server.url}/captions/{spoken}/speak")
    page.get_by_role("button", name="Design…").click()
    page.get_by_label("Size (px)").fill("40")
    page.get_by_label("Position").select_option("Top")
    page.get_by_label("Text colour").fill("#ffe14d")
    page.get_by_label("Lines").fill("11")
    expect(page.get_by_text('"lines=11" is not accepted: 1 to 10.')).to_be_visible()
    page.get_by_label("Lines").fill("3")
    page.screenshot(path=pictures / "captions-overlay-builder.png")
    address = page.get_by_label("Address of the overlay").input_value()
    warnings: list[str] = []
    overlay = pages.context(viewport=DESKTOP).new_page()
    overlay.on("console", lambda message: warnings.append(message.text))
    overlay.goto(f"{address}&colour=red")
    expect(text(overlay)).to_contain_text(BOOKS)
    assert text(overlay).evaluate("e => [getComputedStyle(e).fontSize, getComputedStyle(e).color]") == [
        "40px",
        "rgb(255, 225, 77)",
    ]
    assert overlay.locator("main").bounding_box()["y"] < 100  # type: ignore[index]
    assert len(warnings) == 1
    assert '"colour" is unknown' in warnings[0]


def test_an_overlay_is_the_last_lines_on_nothing(server: ServerProcess, spoken: str, pages: Pages, pictures: Path):
    page = watch(pages, server, spoken, "?overlay=1&lines=1", viewport=DESKTOP)
    expect(text(page)).to_contain_text(BOOKS)
    expect(page.locator("header")).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"
    box = page.locator("#captions").bounding_box()
    assert box is not None
    assert box["height"] < 100
    page.screenshot(path=pictures / "captions-overlay.png", omit_background=True)


def test_a_reader_without_a_key_is_asked_for_it(light_server: Serve, pages: Pages):
    pages.allow("401")
    rooms = f"{light_server(api_keys='sk-local-1')}/captions"
    page = pages.open(f"{rooms}/locked")
    expect(page.get_by_role("heading", name="These captions are not public")).to_be_visible()
    page.get_by_label("Server API key").fill("sk-local-1")
    page.get_by_role("button", name="View captions").click()
    expect(page.get_by_text("Waiting for the speaker")).to_be_visible()
    overlay = pages.open(f"{rooms}/locked?overlay=1")
    expect(overlay.get_by_text("This server needs an API key, which an overlay can't give.")).to_be_visible()


def test_a_denied_microphone_is_explained(server: ServerProcess, pages: Pages):
    page = pages.open(f"{server.url}/captions/denied/speak")
    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError') } }"
    )
    page.get_by_role("button", name="Start captions").click()
    expect(page.get_by_role("alert")).to_contain_text("Microphone access is blocked.")
    expect(page.get_by_role("button", name="Start captions")).to_be_enabled()


def test_the_way_from_the_first_page_to_a_room(server: ServerProcess, pages: Pages):
    page = pages.open(f"{server.url}/captions/")
    page.get_by_label("Name of the room").fill("town hall")
    page.get_by_role("button", name="View captions").click()
    expect(page).to_have_url(f"{server.url}/captions/town-hall")


def test_the_pages_of_a_speaker_are_accessible(
    server: ServerProcess, spoken: str, pages: Pages, pictures: Path, theme: str
):
    page = pages.open(f"{server.url}/captions/")
    assert_accessible_and_fitting(page, pictures, "captions-rooms", theme)
    page = open_with_tentative_words(pages, f"{server.url}/captions/{spoken}/speak")
    page.get_by_role("button", name="Design…").click()
    page.get_by_label("Lines").fill("11")
    assert_accessible_and_fitting(page, pictures, "captions-designing", theme)
    page.keyboard.press("Escape")
    page.get_by_text("Words", exact=True).click()
    page.get_by_label("Replacements").fill("nonsense")
    page.get_by_title("Correct this caption").press("Enter")
    assert_accessible_and_fitting(page, pictures, "captions-correcting", theme)


def test_the_page_of_a_viewer_is_accessible(
    server: ServerProcess, spoken: str, pages: Pages, pictures: Path, theme: str
):
    page = open_with_tentative_words(pages, f"{server.url}/captions/{spoken}")
    assert_accessible_and_fitting(page, pictures, "captions-viewer", theme)
    page.get_by_role("button", name="Search").click()
    page.keyboard.type("book")
    page.get_by_role("button", name="Reading options").click()
    assert_accessible_and_fitting(page, pictures, "captions-searching", theme)


def open_with_tentative_words(pages: Pages, address: str) -> Page:
    page = pages.open(address)
    expect(text(page)).to_contain_text(BOOKS)
    page.locator(".tentative").first.evaluate("(element) => { element.textContent = 'and so on' }")
    return page


@pytest.fixture(scope="module")
def spoken(running_server: ServerProcess, chromium, recordings: Path) -> str:
    """The name of a room in which the recording of the block books was said."""
    made = Pages(chromium)
    page = made.open(f"{running_server.url}/captions/books/speak")
    caption_file(page, recordings / "block_books.flac")
    expect(page.get_by_text("Done: 1 caption.")).to_be_visible(timeout=TRANSCRIPT_MS)
    made.close()
    return "books"
