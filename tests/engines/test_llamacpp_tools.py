"""Function calls, thinking and threads of a model inside llama.cpp: a scripted GGUF, run by the real engine."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest
from scripted_gguf import PLAIN_TEMPLATE, write_scripted_gguf

from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.llm.base import (
    ChatModel,
    ChatOptions,
    Delta,
    Finished,
    Image,
    Message,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.readiness.machine import Machine
from streamsrv.errors import Rejected, Unavailable
from streamsrv.inference.scheduler import Scheduler

pytest.importorskip("xllamacpp", reason="needs streamsrv[llamacpp]")

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [Tool("get_weather", "Weather of a city", CITY), Tool("get_time", "Time of day")]
ENTRY = ModelEntry(
    "scripted",
    "chat",
    "llamacpp",
    abilities=("calls_tools",),
    efforts=("none", "medium"),
    context_tokens=1024,
    options={"temperature": 0.0, "threads": 1},
)


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scripted_gguf(tmp_path_factory.mktemp("gguf") / "model.gguf")


def load(path: Path, entry: ModelEntry = ENTRY) -> ChatModel:
    return load_engine(entry, LoadContext(Scheduler(1), {"model.gguf": path}))


@pytest.fixture
async def model(gguf: Path) -> AsyncGenerator[ChatModel, None]:
    model = load(gguf)
    yield model
    await model.aclose()


async def ask(
    model: ChatModel, text: str | Sequence[Message], tools: Sequence[Tool] = (), **options: Any
) -> list[Delta]:
    messages = [Message("system", "Be brief."), Message("user", text)] if isinstance(text, str) else text
    return [delta async for delta in model.stream(messages, tools, ChatOptions(**options))]


def calls_in(deltas: Sequence[Delta]) -> list[tuple[str, Any]]:
    """The name and the arguments of each call."""
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for delta in deltas:
        if isinstance(delta, ToolCallDelta):
            assert bool(delta.call_id) == bool(delta.name) == (delta.index not in names)
            names.setdefault(delta.index, delta.name)
            arguments[delta.index] = arguments.get(delta.index, "") + delta.arguments
    return [(names[index], json.loads(arguments[index])) for index in names]


def text_of(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


async def test_a_model_calls_a_function_and_answers_with_its_result(model: ChatModel):
    asked = await ask(model, "What is the weather in Paris?", TOOLS)
    assert calls_in(asked) == [("get_weather", {"city": "Paris"})]
    assert text_of(asked) == ""
    assert asked[-1] == Finished("tool_calls")
    [call] = [delta for delta in asked if isinstance(delta, ToolCallDelta) and delta.name]
    talk = [
        Message("user", "What is the weather in Paris?"),
        Message("assistant", "", (ToolCall(call.call_id, "get_weather", '{"city": "Paris"}'),)),
        Message("tool", "sunny", call_id=call.call_id),
    ]
    answered = await ask(model, talk, TOOLS)
    assert text_of(answered) == "It is sunny in Paris."
    assert answered[-1] == Finished("stop")


async def test_parallel_calls_are_told_apart(model: ChatModel):
    deltas = await ask(model, "Call twice.", TOOLS)
    assert calls_in(deltas) == [("get_weather", {"city": "Rome"}), ("get_time", {})]
    assert len({delta.call_id for delta in deltas if isinstance(delta, ToolCallDelta) and delta.call_id}) == 2


async def test_words_before_a_call_are_spoken_and_its_markup_is_not(model: ChatModel):
    deltas = await ask(model, "Think aloud.", TOOLS)
    assert text_of(deltas).strip() == "Let me see."
    assert calls_in(deltas) == [("get_time", {})]


async def test_no_function_is_called_where_none_may_be(model: ChatModel):
    for tools, choice in (((), "auto"), (TOOLS, "none")):
        deltas = await ask(model, "What is the weather in Paris?", tools, tool_choice=choice)
        assert (text_of(deltas), calls_in(deltas)) == ("Hello there.", [])


@pytest.mark.parametrize("choice", ["required", "get_time"])
async def test_a_demanded_call_is_made(model: ChatModel, choice: str):
    deltas = await ask(model, "You must.", TOOLS, tool_choice=choice)
    assert calls_in(deltas) == [("get_time", {})]
    assert text_of(deltas) == ""
    assert deltas[-1] == Finished("tool_calls")
    [usage] = [delta for delta in deltas if isinstance(delta, Usage)]
    assert usage.input_tokens > 100
    assert usage.output_tokens >= 5


async def test_a_demanded_call_of_another_function_is_not_that_of_the_model(model: ChatModel):
    deltas = await ask(model, "You must.", TOOLS, tool_choice="get_weather", max_output_tokens=40)
    assert all(name == "get_weather" for name, _ in calls_in(deltas))


async def test_a_demanded_call_that_is_cut_off_is_none(model: ChatModel):
    deltas = await ask(model, "You must.", TOOLS, tool_choice="required", max_output_tokens=2)
    assert (calls_in(deltas), text_of(deltas)) == ([], "")
    assert deltas[-1] == Finished("max_output_tokens")


@pytest.mark.parametrize(("tools", "choice"), [(TOOLS, "get_tim"), ((), "required"), ((), "get_time")])
async def test_a_call_of_a_function_that_is_not_there_is_refused(model: ChatModel, tools: Sequence[Tool], choice: str):
    with pytest.raises(Rejected, match=choice) as raised:
        await ask(model, "You must.", tools, tool_choice=choice)
    assert raised.value.param == "tool_choice"


@pytest.mark.parametrize("arguments", ['{"city": "Par', "", "[1]", "null", '"Paris"'])
async def test_a_history_with_broken_arguments_is_read(model: ChatModel, arguments: str):
    call = ToolCall("a", "get_weather", arguments)
    talk = [Message("user", "?"), Message("assistant", "", (call,)), Message("tool", "sunny", call_id="a")]
    assert text_of(await ask(model, talk, TOOLS)) == "It is sunny in Paris."


async def test_a_model_thinks_only_where_it_is_asked_to(model: ChatModel):
    assert not any(isinstance(delta, Reasoning) for delta in await ask(model, "Hello!"))
    thought = await ask(model, "Hello!", reasoning_effort="medium")
    assert [delta.text for delta in thought if isinstance(delta, Reasoning)] == ["hmm"]
    assert text_of(thought) == "Yes, indeed."
    with pytest.raises(Rejected, match="'high' is not supported; accepted: none, medium") as raised:
        await ask(model, "Hello!", reasoning_effort="high")
    assert raised.value.param == "reasoning_effort"


async def test_an_image_is_refused(model: ChatModel):
    with pytest.raises(Rejected, match="cannot see images"):
        await ask(model, [Message("user", "What is this?", images=(Image("data:image/png;base64,AA=="),))])


async def test_two_local_models_answer_side_by_side(gguf: Path, tmp_path: Path):
    plain = write_scripted_gguf(tmp_path / "plain.gguf", PLAIN_TEMPLATE)
    first = load(gguf)
    second = load(plain, ModelEntry("plain", "chat", "llamacpp", options={"temperature": 0.0}))
    answers = await asyncio.gather(*(ask(model, "Hello!", TOOLS) for model in (first, second) * 3))
    assert [calls_in(answer) for answer in answers] == [[("get_weather", {"city": "Paris"})], []] * 3
    assert [text_of(answer) for answer in answers] == ["", "Hello there."] * 3
    await first.aclose()
    await second.aclose()


def test_a_template_without_tools_contradicts_the_entry(tmp_path: Path):
    plain = write_scripted_gguf(tmp_path / "plain.gguf", PLAIN_TEMPLATE)
    with pytest.raises(Unavailable, match="no place for them"):
        load(plain)


@pytest.mark.parametrize("kept", [0.5, 0.999, 0.0001])
def test_a_truncated_file_is_refused(gguf: Path, tmp_path: Path, kept: float):
    data = gguf.read_bytes()
    (tmp_path / "model.gguf").write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(Unavailable, match=r"scripted could not be loaded from model\.gguf"):
        load(tmp_path / "model.gguf")


def test_abilities_are_those_of_the_loaded_model(gguf: Path):
    model = load(gguf)
    abilities = model.abilities
    assert (abilities.context_tokens, abilities.max_output_tokens) == (1024, 1024)
    assert abilities.calls_tools
    assert abilities.is_local
    asyncio.run(model.aclose())


@pytest.mark.parametrize(("options", "threads"), [({}, 5), ({"threads": 3}, 3)])
def test_a_model_takes_all_cores_but_one_unless_it_is_told_otherwise(
    gguf: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], threads: int
):
    class Noted(Exception):
        pass

    def note(*_: Any, **given: Any) -> None:
        raise Noted(given["threads"])

    monkeypatch.setattr("streamsrv.engines.llm.llamacpp.machine", lambda: Machine(cores=6, memory=1))
    monkeypatch.setattr("streamsrv.engines.llm.llamacpp.LlamaCppServer", note)
    with pytest.raises(Unavailable, match=f"Noted: {threads}"):
        load(gguf, ModelEntry("scripted", "chat", "llamacpp", options=options))
