"""What goes back to a provider with a function call: Gemini's thought signature, and thoughts before the call."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from scripted_provider import ScriptedProvider, chunk

from streamsrv.engines.llm.base import Finished, Message, ToolCall, ToolCallDelta, Usage

pytest.importorskip("openai", reason="needs streamsrv[openai]")

from openai_compatible_engine import HELLO, Connect, ask, connecting

GEMINI_CALL = {
    "id": "a1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city":'},
    "extra_content": {"google": {"thought_signature": "SIGNATURE"}},
}
SIGNATURE = {"scripted": {"extra_content": GEMINI_CALL["extra_content"]}}
WEATHER_CALL = ToolCall("a1", "get_weather", "{}", {"another-model": {"extra_content": "another provider's"}})


@pytest.fixture
async def provider() -> AsyncGenerator[ScriptedProvider, None]:
    async with ScriptedProvider().running() as provider:
        yield provider


@pytest.fixture
async def connect(provider: ScriptedProvider) -> AsyncGenerator[Connect, None]:
    async with connecting(provider) as connect:
        yield connect


async def test_gemini_tool_call_without_index_and_with_stop(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [
        chunk({"role": "assistant", "tool_calls": [GEMINI_CALL]}),
        chunk({"tool_calls": [{"function": {"arguments": '"Paris"}'}}]}),
        chunk({}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 9}),
    ]
    assert await ask(connect()) == [
        ToolCallDelta(0, '{"city":', "a1", "get_weather", SIGNATURE),
        ToolCallDelta(0, '"Paris"}'),
        Usage(3, 6, reasoning_tokens=4),  # the rest of the total is what it thought
        Finished("tool_calls"),
    ]


async def test_gemini_gets_its_thought_signature_back(provider: ScriptedProvider, connect: Connect):
    model = connect()
    provider.chunks = [chunk({"tool_calls": [GEMINI_CALL]}, "stop")]
    (called, _) = await ask(model)
    assert isinstance(called, ToolCallDelta)
    provider.chunks = [chunk({"content": "Sunny."}, "stop")]
    call = ToolCall("a1", "get_weather", '{"city":"Paris"}', called.provider_data)
    await ask(model, [*HELLO, Message("assistant", "", (call,)), Message("tool", "sunny", call_id="a1")])
    assert provider.requests[-1]["messages"][1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "a1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
                    "extra_content": {"google": {"thought_signature": "SIGNATURE"}},
                }
            ],
        },
        {"role": "tool", "content": "sunny", "tool_call_id": "a1"},
    ]


@pytest.mark.parametrize(
    ("model", "extra"),
    [
        ("gemini-3.8-flash", {"google": {"thought_signature": "skip_thought_signature_validator"}}),
        ("models/gemini-4-flash", {"google": {"thought_signature": "skip_thought_signature_validator"}}),
        ("gemini-2.5-flash", None),
        ("gpt-4o-mini", None),
    ],
)
async def test_a_call_without_a_signature_is_one_that_gemini_accepts(
    provider: ScriptedProvider, connect: Connect, model: str, extra: Any
):
    provider.chunks = [chunk({"content": "Sunny."}, "stop")]
    second = ToolCall("a2", "get_weather", "{}")
    results = [Message("tool", "sunny", call_id=call_id) for call_id in ("a1", "a2")]
    await ask(connect(model=model), [*HELLO, Message("assistant", "", (WEATHER_CALL, second)), *results])
    calls = provider.requests[0]["messages"][1]["tool_calls"]
    assert [call.get("extra_content") for call in calls] == [extra, None]


async def test_a_signature_of_one_parallel_call_is_enough(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [chunk({"content": "Sunny."}, "stop")]
    signed = ToolCall("a2", "get_weather", "{}", SIGNATURE)
    results = [Message("tool", "sunny", call_id=call_id) for call_id in ("a1", "a2")]
    await ask(connect(model="gemini-3.8-flash"), [*HELLO, Message("assistant", "", (WEATHER_CALL, signed)), *results])
    calls = provider.requests[0]["messages"][1]["tool_calls"]
    assert [call.get("extra_content") for call in calls] == [None, GEMINI_CALL["extra_content"]]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_what_was_thought_before_a_call_goes_back_with_it(
    provider: ScriptedProvider, connect: Connect, field: str
):
    model = connect(returns_reasoning=True)
    call = {"index": 0, "id": "a1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    provider.chunks = [chunk({field: "Paris is"}), chunk({field: " a city."}), chunk({"tool_calls": [call]}, "stop")]
    [called] = [delta for delta in await ask(model) if isinstance(delta, ToolCallDelta)]
    provider.chunks = [chunk({"content": "Sunny."}, "stop")]
    made = Message("assistant", "", (ToolCall("a1", "get_weather", "{}", called.provider_data),))
    await ask(model, [*HELLO, made, Message("tool", "sunny", call_id="a1")])
    sent = provider.requests[-1]["messages"][1]
    assert sent[field] == "Paris is a city."
    assert set(sent["tool_calls"][0]) == {"id", "type", "function"}


async def test_a_provider_that_does_not_want_it_is_not_shown_what_was_thought(
    provider: ScriptedProvider, connect: Connect
):
    call = {"index": 0, "id": "a1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    provider.chunks = [chunk({"reasoning": "hmm"}), chunk({"tool_calls": [call]}, "stop")]
    [called] = [delta for delta in await ask(connect()) if isinstance(delta, ToolCallDelta)]
    assert called.provider_data == {}
