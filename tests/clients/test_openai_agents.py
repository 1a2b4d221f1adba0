"""The stock `openai-agents` package: its realtime sessions against a running server."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeItem, RealtimeRunner, RealtimeSession

from client_audio import RATE, best_of_times, loud, silence, turn
from serving import RunningServer
from streamsrv.conformance.recorder import Recorder
from streamsrv.settings import PREFACE
from streamsrv.testing.fakes import ScriptedChatModel
from streamsrv.text.voice_manners import VoiceManners

WAIT_S = 30


class App:
    """What an application does with a session. Any error that the SDK reports fails the test."""

    def __init__(self, session: RealtimeSession) -> None:
        self.session = session
        self.recorder = Recorder()
        self.audio = b""
        self._items: list[RealtimeItem] = []
        self._events = aiter(session)

    async def until(self, event_type: str) -> Any:
        """Take events up to the next of a type; return that one."""
        async with asyncio.timeout(WAIT_S):
            while (event := await anext(self._events)).type != event_type:
                self._take(event)
        self._take(event)
        return event

    def _take(self, event: Any) -> None:
        assert event.type != "error", event.error
        if event.type == "audio":
            self.audio += event.audio.data
        elif event.type == "history_updated":
            self._items = event.history
        elif event.type == "raw_model_event" and event.data.type == "raw_server_event":
            self.recorder.take(json.dumps(event.data.data))

    async def until_server(self, event_type: str) -> Any:
        """Take events up to the next server event of a type; return it as it was on the wire."""
        while True:
            event = await self.until("raw_model_event")
            if event.data.type == "raw_server_event" and event.data.data["type"] == event_type:
                return event.data.data

    def history(self) -> list[tuple[str, str]]:
        """The messages of the last history that the SDK gave out: role, and text or transcript."""
        messages = [item for item in self._items if item.type == "message"]
        return [(item.role, _text(item.content[0]) if item.content else "") for item in messages]


def _text(part: Any) -> str:
    return (part.transcript if part.type in ("audio", "input_audio") else part.text) or ""


@asynccontextmanager
async def running(server: RunningServer, *tools: Any, **settings: Any) -> AsyncGenerator[App]:
    """A session of an agent; the order of what the server sent is checked at the end."""
    agent = RealtimeAgent(name="assistant", instructions="Answer in one short sentence.", tools=list(tools))
    runner = RealtimeRunner(agent, config={"tracing_disabled": True})
    url = f"{server.realtime_url}?model=gpt-realtime"
    config: Any = {"url": url, "api_key": "any", "initial_model_settings": settings}
    async with await runner.run(model_config=config) as session:
        app = App(session)
        await app.until_server("session.updated")
        yield app
        app.recorder.check_order()


async def test_a_voice_turn(server: RunningServer, chat: ScriptedChatModel) -> None:
    chat.answers += ["Good morning to you. How are you?"]
    async with running(server) as app:
        await app.session.send_audio(turn().tobytes())
        await app.until("agent_end")
        assert app.history() == [("user", "hello"), ("assistant", "Good morning to you. How are you?")]
    assert len(app.audio) / 2 / RATE == 0.06 * len("Good morning to you." + "How are you?")
    assert chat.asked[0][0].content == VoiceManners(PREFACE).instructions("Answer in one short sentence.")


async def test_a_tool_is_run_by_the_sdk(server: RunningServer, chat: ScriptedChatModel) -> None:
    cities: list[str] = []

    @function_tool
    def get_weather(city: str) -> str:
        """The weather of a city."""
        cities.append(city)
        return f"snow in {city}"

    chat.answers += [("get_weather", '{"city": "Oslo"}'), "It snows."]
    async with running(server, get_weather) as app:
        await app.session.send_message("How is the weather in Oslo?")
        assert (await app.until("tool_end")).output == "snow in Oslo"
        await app.until("audio_end")
        await app.until("agent_end")
        assert app.history() == [("user", "How is the weather in Oslo?"), ("assistant", "It snows.")]
    assert cities == ["Oslo"]
    assert chat.asked[1][-1].content == "snow in Oslo"


@pytest.mark.parametrize(("by_server", "reason"), [(True, "turn_detected"), (False, "client_cancelled")])
@pytest.mark.usefixtures("first_answer_held")
async def test_speech_interrupts_the_answer(
    server: RunningServer, chat: ScriptedChatModel, by_server: bool, reason: str
) -> None:
    chat.answers += ["One two three, four five. Six seven.", "Sorry."]
    detection = {"type": "server_vad", "interrupt_response": by_server}
    async with running(server, turn_detection=detection) as app:
        await app.session.send_audio(turn().tobytes())
        await app.until("audio")
        await app.session.send_audio(loud().tobytes())
        await app.until("audio_interrupted")
        cut = await app.until_server("response.done")
        assert (cut["response"]["status"], cut["response"]["status_details"]["reason"]) == ("cancelled", reason)
        await app.session.send_audio(silence().tobytes())
        answer = await app.until_server("response.done")
        assert answer["response"]["status"] == "completed"
        assert app.history()[-1] == ("assistant", "Sorry.")
    assert "conversation.item.truncated" in [event["type"] for event in app.recorder.events]


@pytest.mark.slow
async def test_real_speech_and_real_engines(real_server: RunningServer) -> None:
    async with running(real_server) as app:
        await app.session.send_audio(best_of_times().tobytes())
        await app.until("agent_end")
        (_, heard), (_, said) = app.history()
    assert "best of times" in heard.lower()
    assert said
    assert len(app.audio) > RATE
