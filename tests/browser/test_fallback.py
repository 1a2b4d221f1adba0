"""What takes the place of what is missing, step by step, and that the page says so."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from assistant import Assistant
from firefox import Firefox
from pages import Pages, unreachable_server
from server_process import ServerProcess
from sound_card import Recording, SoundCard
from streamsrv.engines.absent import AbsentRecognizer, AbsentSynthesizer
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines

DOUBLE = "scripted_speech_recognition_double.js"
HEAR = "text => ScriptedSpeechRecognitionDouble.hear(text)"
HEAR_FINALLY = "text => ScriptedSpeechRecognitionDouble.hear(text, { final: true })"
LISTENS = "ScriptedSpeechRecognitionDouble.current !== null"

StartServer = Callable[..., ServerProcess]
Serve = Callable[..., str]


def test_without_webrtc_the_websocket_is_used(server: ServerProcess, pages: Pages, speaker: Recording) -> None:
    context = pages.context()
    context.route("**/v1/realtime/calls*", lambda route: route.fulfill(status=404, body="not here"))
    pages.allow("404")
    page = context.new_page()
    page.goto(server.url)
    assistant = Assistant(page)
    assistant.start()
    assistant.expect_path("WebSocket", "WebRTC is not used")
    assistant.write("Say hello.")
    speaker.wait_for_sound(200)


def test_where_the_server_cannot_hear_the_browser_does(light_server: Serve, pages: Pages, speaker: Recording) -> None:
    server = light_server(fake_engines(ScriptedChatModel("It is locked."), recognizer=AbsentRecognizer()))
    assistant = Assistant(pages.open(server, script=DOUBLE))
    assistant.talk.click()
    assistant.let_the_browser_recognise()
    expect(assistant.activity).to_have_text("Listening")
    expect(assistant.path).to_contain_text("browser speech recognition")
    page = assistant.page
    page.wait_for_function(LISTENS)
    page.evaluate(HEAR, "is the front")
    expect(assistant.questions.last.locator(".tentative")).to_have_text("is the front")
    page.evaluate(HEAR_FINALLY, "Is the front door locked?")
    expect(assistant.questions.last).to_contain_text("Is the front door locked?")
    expect(assistant.replies.last).to_contain_text("It is locked.")
    speaker.wait_for_sound(300)


def test_real_recognition_that_cannot_reach_its_service_says_so(light_server: Serve, pages: Pages) -> None:
    assistant = Assistant(pages.open(light_server(fake_engines(recognizer=AbsentRecognizer()))))
    assistant.talk.click()
    assistant.let_the_browser_recognise()
    expect(assistant.notice("speech recognition can't reach its service")).to_contain_text("You can type instead.")
    assistant.write("Say hello.")
    expect(assistant.replies.last).to_contain_text(re.compile(r"Assistant: \w"))


@pytest.fixture
def speaking_pages(speaking_chromium: Browser) -> Iterator[Pages]:
    opened = Pages(speaking_chromium)
    yield opened
    opened.close()
    assert not opened.errors(), "errors on the console"


def test_where_the_server_cannot_speak_the_browser_does(
    light_server: Serve, speaking_pages: Pages, speaker: Recording
) -> None:
    assistant = Assistant(speaking_pages.open(light_server(fake_engines(synthesizer=AbsentSynthesizer()))))
    assistant.start()
    expect(assistant.path).to_contain_text("browser voice")
    assistant.write("Say hello.")
    expect(assistant.replies.last).to_contain_text(re.compile(r"Assistant: \w"))
    speaker.wait_for_sound(300)
    speaker.wait_for_quiet(2000)
    expect(assistant.replies.last.locator(".unsaid")).to_have_count(0)
    expect(assistant.activity).to_have_text("Listening")


@pytest.mark.slow  # as the test before it; test_lost_voice.py has more of it
def test_when_the_server_s_voice_fails_the_browser_speaks_the_rest(
    light_server: Serve, speaking_pages: Pages, speaker: Recording
) -> None:
    server = light_server(fake_engines(synthesizer=AbsentSynthesizer()))
    context = speaking_pages.context()

    def with_a_voice(route: Route) -> None:
        stages = route.fetch().json()
        route.fulfill(json={**stages, "synthesizer": {"name": "hibari", "voices": ["heart"]}})

    context.route("**/capabilities", with_a_voice)
    page = context.new_page()
    page.goto(server)
    assistant = Assistant(page)
    assistant.start()
    expect(assistant.path).not_to_contain_text("browser voice")
    assistant.write("Say hello.")
    expect(assistant.notice("The server's voice failed")).to_contain_text("Your browser's voice speaks the rest")
    expect(assistant.replies.last).to_contain_text(re.compile(r"Assistant: \w"))
    speaker.wait_for_sound(300)
    speaker.wait_for_quiet(2000)
    expect(assistant.replies.last.locator(".unsaid")).to_have_count(0)
    expect(assistant.activity).to_have_text("Listening")


def test_without_a_server_the_browser_alone_writes_down_what_is_said(light_server: Serve, pages: Pages) -> None:
    assistant = Assistant(pages.open(light_server(), script=DOUBLE))
    pages.allow("ERR_CONNECTION_REFUSED")
    with unreachable_server(assistant.page.context):
        write_down_alone(assistant)


def write_down_alone(assistant: Assistant) -> None:
    """What the page does while no server answers."""
    assistant.talk.click()
    assistant.let_the_browser_recognise()
    expect(assistant.path).to_have_text("Offline – browser transcription only")
    expect(assistant.notice("The server can't be reached")).to_be_visible()
    assistant.page.wait_for_function(LISTENS)
    assistant.page.evaluate(HEAR_FINALLY, "Is the front door locked?")
    expect(assistant.questions.last).to_contain_text("Is the front door locked?")
    expect(assistant.reasons()).to_contain_text("nothing answers")
    assistant.page.keyboard.press("Escape")
    assistant.page.evaluate("ScriptedSpeechRecognitionDouble.fail('audio-capture')")
    expect(assistant.activity).to_have_text("Not connected – tap to try again")
    assert "transcribe" not in assistant.page.locator("#notices").inner_text()


@pytest.mark.slow  # it starts a server twice
def test_the_server_is_used_again_when_it_is_back(own_server: StartServer, pages: Pages, speaker: Recording) -> None:
    server = own_server()
    assistant = Assistant(pages.open(server.url, script=DOUBLE))
    server.stop()
    pages.allow("ERR_CONNECTION_REFUSED")
    assistant.talk.click()
    assistant.let_the_browser_recognise()
    notice = assistant.notice("The server can't be reached")
    expect(notice).to_be_visible()
    server.start()
    notice.get_by_role("button", name="Try again").click()
    expect(assistant.path).to_have_text("WebRTC")
    assistant.write("Say hello.")
    speaker.wait_for_sound(200)


@pytest.mark.slow  # on a busy machine Firefox hears too little of the virtual microphone, and nobody answers
def test_firefox_converses_over_webrtc(
    server: ServerProcess, firefox: Firefox, sound_card: SoundCard, speaker: Recording, recordings: Path
) -> None:
    firefox.open(server.url + "/")
    converse(firefox, "WebRTC", sound_card, recordings)
    speaker.wait_for_sound(500)


@pytest.mark.slow  # as above
def test_firefox_converses_over_websocket_with_opus(
    server: ServerProcess, firefox: Firefox, sound_card: SoundCard, speaker: Recording, recordings: Path
) -> None:
    firefox.open(server.url + "/")
    firefox.evaluate("""localStorage.setItem("streamsrv.assistant",
      JSON.stringify({ transports: ["websocket"], audioCodec: "opus" }))""")
    firefox.open(server.url + "/")
    converse(firefox, "WebSocket with Opus", sound_card, recordings)
    speaker.wait_for_sound(500)


def converse(firefox: Firefox, path: str, sound_card: SoundCard, recordings: Path) -> None:
    """Start, over the path that is expected, and say something that is understood as words."""
    firefox.evaluate("document.querySelector('#talk').click()")
    firefox.wait_for("document.querySelector('#activity').innerText === 'Listening'")
    assert firefox.evaluate("document.querySelector('#path-summary').innerText") == path
    sound_card.say(recordings / "is_the_front_door_locked.flac")
    # Which words is not asked: on a busy machine Firefox loses more of the virtual microphone than Chromium does.
    firefox.wait_for("document.querySelector('#messages li.user[data-status=done]') !== null")


def test_firefox_says_that_it_cannot_recognise_speech(light_server: Serve, firefox: Firefox) -> None:
    firefox.allow("ICE failed")  # without a microphone in use it offers no address of loopback
    firefox.open(light_server(fake_engines(recognizer=AbsentRecognizer())) + "/")
    firefox.evaluate("document.querySelector('#talk').click()")
    firefox.wait_for("/text input only/.test(document.querySelector('#path-summary').innerText)")
    assert "you can only type" in firefox.evaluate("document.querySelector('#path-reasons').textContent")
    firefox.evaluate("""(() => {
      document.querySelector('#text').value = 'Say hello.';
      document.querySelector('#write').requestSubmit();
    })()""")
    firefox.wait_for(r"/Assistant: \w/.test(document.querySelector('#messages').textContent)")
