"""The server's voice fails in the middle of a reply: the browser's own goes on where it stopped."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from assistant import Assistant
from pages import Pages
from serving import RunningServer, serving
from streamsrv.errors import Unavailable
from streamsrv.testing.fakes import ScriptedChatModel, ToneSynthesizer, fake_engines
from streamsrv.testing.faults import Fault
from streamsrv.testing.faulty import FaultySynthesizer

DOUBLE = "speech_synthesis_double.js"
ANSWER = "One two three. Four five six. Seven eight nine. Ten eleven twelve."
SPOKEN = "window.spokenByTheBrowser"


@pytest.fixture
def failing_server() -> Iterator[RunningServer]:
    """A server of fakes whose voice speaks two segments as tones, and fails in the third."""
    voice = FaultySynthesizer(ToneSynthesizer(), Fault(), Fault(), Fault(error=Unavailable("The voice is gone.")))
    with serving(fake_engines(ScriptedChatModel(ANSWER), synthesizer=voice)) as running:
        yield running


@pytest.mark.parametrize(
    "connection",
    ["WebSocket", *(pytest.param(name, marks=pytest.mark.slow) for name in ("WebRTC", "WebSocket with Opus"))],
)
def test_the_browser_speaks_the_rest_once_the_audio_was_played(
    failing_server: RunningServer, pages: Pages, connection: str
) -> None:
    assistant = Assistant(pages.open(failing_server.http_url.removesuffix("/v1"), script=DOUBLE))
    assistant.choose_connection(connection)
    assistant.start()
    assistant.write("Count.")
    expect(assistant.notice("The server's voice failed.")).to_be_visible()
    assert assistant.page.evaluate(SPOKEN) == [], "the browser speaks over the server's audio"
    assistant.page.wait_for_function(f"() => {SPOKEN}.length === 2")
    assert assistant.page.evaluate(SPOKEN) == ["Seven eight nine.", "Ten eleven twelve."]
    expect(assistant.replies.last).to_have_text(f"Assistant: {ANSWER}")
    expect(assistant.activity).to_have_text("Listening")
    expect(assistant.replies.last.locator(".unsaid")).to_have_count(0)


def test_the_user_stops_the_browser_s_voice_by_writing(failing_server: RunningServer, pages: Pages) -> None:
    assistant = Assistant(pages.open(failing_server.http_url.removesuffix("/v1"), script=DOUBLE))
    assistant.page.evaluate("window.browserVoiceEnds = false")
    assistant.start()
    assistant.write("Count.")
    assistant.page.wait_for_function(f"() => {SPOKEN}.length > 0")
    assistant.write("Stop.")
    assistant.page.wait_for_function(f"() => {SPOKEN}.at(-1) === '(stopped)'")
    expect(assistant.replies).to_have_count(2)
    expect(assistant.activity).to_have_text("Listening")
    assert assistant.page.evaluate(SPOKEN)[-1] == "(stopped)"
