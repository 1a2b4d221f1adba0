"""The stock `@openai/agents-realtime` package in Chromium, as its documentation uses it in a page: by client secret."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from pages import Pages
from server_process import ROOT, ServerProcess
from sound_card import Recording, SoundCard

BUNDLE = ROOT / "tests/clients/js/node_modules/@openai/agents-realtime/dist/bundle/openai-realtime-agents.umd.js"
CONNECT = """async (transportName) => {
  const asked = { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" };
  const { value } = await (await fetch("/v1/realtime/client_secrets", asked)).json();
  const { RealtimeAgent, RealtimeSession, OpenAIRealtimeWebRTC, OpenAIRealtimeWebSocket } = OpenAIAgentsRealtime;
  const agent = new RealtimeAgent({ name: "assistant", instructions: "Answer in one short sentence." });
  const transport = transportName === "webrtc"
    ? new OpenAIRealtimeWebRTC({ baseUrl: new URL("/v1/realtime/calls", location.href).href })
    : new OpenAIRealtimeWebSocket({ url: new URL("/v1/realtime?model=any", location.href).href.replace("http", "ws") });
  window.session = new RealtimeSession(agent, { transport, tracingDisabled: true });
  window.events = [];
  window.failures = [];
  transport.on("*", (event) => window.events.push(event.type));
  window.session.on("error", ({ error }) => window.failures.push(JSON.stringify(error)));
  await window.session.connect({ apiKey: value });
}"""
HISTORY = """window.session.history
  .filter((item) => item.type === "message")
  .map((item) => [item.role, item.content.map((part) => part.transcript ?? part.text ?? "").join(" ")])"""


@pytest.fixture
def page(server: ServerProcess, pages: Pages) -> Page:
    """A page of the server's origin with the package in it."""
    if not BUNDLE.exists():
        pytest.skip("@openai/agents-realtime is not installed (tests/clients installs it, with npm)")
    pages.allow("favicon.ico")
    page = pages.open(server.url + "/healthz")
    page.add_script_tag(path=BUNDLE)
    return page


def has_event(event_type: str) -> str:
    return f"window.events.includes('{event_type}')"


def test_a_spoken_question_is_answered_aloud(
    page: Page, sound_card: SoundCard, speaker: Recording, recordings: Path
) -> None:
    page.evaluate(CONNECT, "webrtc")
    sound_card.say(recordings / "is_the_front_door_locked.flac")
    page.wait_for_function(has_event("output_audio_buffer.stopped"))
    speaker.wait_for_sound(300)
    (_, asked), (_, answered) = page.evaluate(HISTORY)
    assert "front door" in asked.lower()
    assert answered
    assert page.evaluate("window.failures") == []


def test_interrupting_silences_the_speaker(page: Page, speaker: Recording) -> None:
    page.evaluate(CONNECT, "webrtc")
    page.evaluate("window.session.sendMessage('Count from one to fifty, in words.')")
    speaker.wait_for_sound(600)
    page.evaluate("window.session.interrupt()")
    page.wait_for_function(has_event("output_audio_buffer.cleared"))
    speaker.wait_for_quiet(1000, seconds=10)
    assert page.evaluate("window.failures") == []


def test_a_page_without_webrtc_connects_by_subprotocol(page: Page) -> None:
    page.evaluate(CONNECT, "websocket")
    page.evaluate("window.session.sendMessage('What is the capital of France?')")
    page.wait_for_function(has_event("response.done"))
    (_, asked), (_, answered) = page.evaluate(HISTORY)
    assert asked == "What is the capital of France?"
    assert answered
    assert page.evaluate("window.failures") == []
