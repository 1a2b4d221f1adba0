"""The SIP transports of the stock `openai-agents` and `@openai/agents-realtime` packages drive telephone calls."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from agents import function_tool
from agents.realtime import OpenAIRealtimeSIPModel, RealtimeAgent, RealtimeRunner

from call_application import SECRET, SECRET_VARIABLE, CallApplication
from phone_server import PATIENCE_S, PhoneServer, hung_up, phone_server, question
from streamsrv.core.call_rules import CallRules
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from streamsrv.transports.telephony.agent import Agent, Application

SCRIPT = Path(__file__).parent / "js" / "sip.mjs"
ANSWERS = [("look_up_order", '{"number": "7"}'), "It was sent."]


@pytest.fixture
def chat() -> ScriptedChatModel:
    return ScriptedChatModel(*ANSWERS)


@pytest.fixture
async def server(chat: ScriptedChatModel) -> AsyncGenerator[PhoneServer]:
    async with phone_server(fake_engines(chat)) as running:
        yield running


@pytest.fixture
async def application(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[CallApplication]:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    async with CallApplication().running() as running:
        yield running


@pytest.fixture
def agent(application: CallApplication) -> Agent:
    rules = CallRules(silence_ms=0, waiting_after_ms=0)
    return Agent("desk", rules=rules, application=Application(application.url, SECRET_VARIABLE))


def check(chat: ScriptedChatModel, line: Any) -> None:
    """The caller was heard, the application's tool was called, and the answer that follows from it was heard."""
    assert [message.content for message in chat.asked[0] if message.role == "user"] == ["hello"]
    assert chat.asked[1][-1].content == "order 7 was sent"
    assert abs(line.heard()).max() > 1000


async def test_openai_agents(
    server: PhoneServer, application: CallApplication, agent: Agent, chat: ScriptedChatModel
) -> None:
    @function_tool
    def look_up_order(number: str) -> str:
        """The state of an order."""
        return f"order {number} was sent"

    desk: RealtimeAgent[Any] = RealtimeAgent(name="desk", instructions="Be brief.", tools=[look_up_order])
    async with server.ring(agent) as line:
        call_id = await application.next_call()
        payload = await OpenAIRealtimeSIPModel.build_initial_session_payload(desk)
        await server.client.realtime.calls.accept(call_id, **payload.model_dump(exclude_unset=True))
        runner = RealtimeRunner(desk, model=OpenAIRealtimeSIPModel(), config={"tracing_disabled": True})
        config: Any = {"call_id": call_id, "url": f"{server.realtime_url}?call_id={call_id}", "api_key": "any"}
        async with asyncio.timeout(PATIENCE_S), await runner.run(model_config=config) as session:
            async for event in session:
                assert event.type != "error", event.error
                if event.type != "raw_model_event" or event.data.type != "raw_server_event":
                    continue
                if event.data.data["type"] == "session.updated":
                    line.speak(question())
                if event.data.data["type"] == "output_audio_buffer.stopped":
                    break
        check(chat, line)
        await server.client.realtime.calls.hangup(call_id)
        await hung_up(line)


async def test_agents_realtime_for_javascript(
    node: str, server: PhoneServer, application: CallApplication, agent: Agent, chat: ScriptedChatModel
) -> None:
    async with server.ring(agent) as line:
        call_id = await application.next_call()
        script = await asyncio.create_subprocess_exec(
            node, SCRIPT, server.http_url, call_id, stdout=asyncio.subprocess.PIPE, limit=1 << 24
        )
        assert script.stdout is not None
        printed: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(PATIENCE_S):
                async for text in script.stdout:
                    printed.append(json.loads(text))
                    assert "error" not in printed[-1], printed[-1]
                    if printed[-1] == {"ready": True} and printed.count(printed[-1]) == 1:
                        line.speak(question())
                assert await script.wait() == 0
        finally:
            if script.returncode is None:
                script.kill()
        assert {"accepted": 200} in printed
        check(chat, line)
        await hung_up(line)
