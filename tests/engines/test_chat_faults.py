"""What every chat engine of a provider makes of each fault, and how a stand-in takes over.

The scripted server is a fake: it sends over real HTTP what a provider would, in the API of the engine.
"""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from scripted_provider import ScriptedMessagesApi, ScriptedProvider, chunk, start, stop, text, tool_use

from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.llm.base import (
    AnsweredBy,
    ChatModel,
    ChatOptions,
    Delta,
    Finished,
    Message,
    Text,
    Tool,
    ToolCallDelta,
)
from streamsrv.engines.llm.failover.chat_model import FallbackChatModel
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable
from streamsrv.inference.scheduler import Scheduler

KEY = "sk-very-secret-key"
HELLO = [Message("user", "Hello!")]
WEATHER = Tool("get_weather", "Weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}})
NOTHING = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Api:
    """How one API says what a test dictates."""

    engine: str
    server: type[ScriptedProvider]
    reasons: dict[str, str]
    """Its words for why an answer ends, by ours."""

    def words(self, *parts: str) -> list[dict[str, Any]]:
        if self.engine == "anthropic":
            return [start(), *text(*parts)[:-1]]
        return [chunk({"content": part}) for part in parts]

    def call(self, arguments: str) -> list[dict[str, Any]]:
        if self.engine == "anthropic":
            return [start(), *tool_use(arguments)]
        function = {"name": "get_weather", "arguments": arguments}
        return [chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]})]

    def nothing(self) -> list[dict[str, Any]]:
        return [start()] if self.engine == "anthropic" else [chunk({"role": "assistant", "content": ""})]

    def end(self, reason: str = "stop") -> list[dict[str, Any]]:
        wire = self.reasons[reason]
        return stop(wire) if self.engine == "anthropic" else [chunk({}, wire)]

    def failure(self, kind: str, message: str) -> list[dict[str, Any]]:
        """An error inside a stream."""
        error = {"message": message, "type": kind}
        return [{"type": "error", "error": error}] if self.engine == "anthropic" else [{"error": error}]

    def entry(self, name: str, base_url: str, read_timeout_s: float) -> ModelEntry:
        options = {"model": "m", "base_url": base_url, "read_timeout_s": read_timeout_s}
        return ModelEntry(name, "chat", self.engine, abilities=("calls_tools",), options=options)


OPENAI = Api(
    "openai_compatible",
    ScriptedProvider,
    {"stop": "stop", "max_output_tokens": "length", "content_filter": "content_filter", "tool_calls": "tool_calls"},
)
CLAUDE = Api(
    "anthropic",
    ScriptedMessagesApi,
    {"stop": "end_turn", "max_output_tokens": "max_tokens", "content_filter": "refusal", "tool_calls": "tool_use"},
)


@pytest.fixture(params=[OPENAI, CLAUDE], ids=lambda api: api.engine)
def api(request: pytest.FixtureRequest) -> Api:
    package = {"openai_compatible": "openai"}.get(request.param.engine, request.param.engine)
    pytest.importorskip(package, reason=f"needs streamsrv[{package}]")
    return request.param


@pytest.fixture
async def provider(api: Api) -> AsyncGenerator[ScriptedProvider]:
    provider = api.server()
    async with provider.running():
        yield provider


Load = Callable[..., ChatModel]


@pytest.fixture
async def load(api: Api, provider: ScriptedProvider) -> AsyncGenerator[Load]:
    """Loads the engine for the scripted provider, or for another address."""
    scheduler = Scheduler(1)
    async with AsyncExitStack() as stack:

        def load(name: str = "model", base_url: str = "", read_timeout_s: float = 20.0) -> ChatModel:
            entry = api.entry(name, base_url or provider.base_url, read_timeout_s)
            model = load_engine(entry, LoadContext(scheduler, {}, KEY))
            stack.push_async_callback(model.aclose)
            return model

        yield load
    scheduler.close()


async def ask(model: ChatModel, tools: Sequence[Tool] = ()) -> list[Delta]:
    return [delta async for delta in model.stream(HELLO, tools, ChatOptions())]


def said(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


# --- errors -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """What the provider does, and what it is for the caller."""

    name: str
    kind: type[EngineError]
    words: str
    """Part of the error's message."""
    status: int = 200
    message: str = ""
    spoken: bool = False
    """Whether "Hi" comes first."""
    failure: tuple[str, str] | None = None
    """Type and message of an error inside the stream."""
    fields: dict[str, Any] = field(default_factory=dict)
    """Of the scripted provider."""
    base_url: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    """Of the error."""
    read_timeout_s: float = 20.0


SLOW = "no token in the middle"
"""Takes as long as the timeout, which must be long enough for the first words on a busy machine."""
CONTEXT = {"code": "context_length_exceeded", "param": "messages"}
FAULTS = [
    Fault("no server", Unavailable, f"cannot be reached at {NOTHING}", base_url=NOTHING),
    Fault("a dropped connection", Unavailable, "cannot be reached", fields={"hangs_up": 2}),
    Fault("a key that is missing", Unavailable, "No key.", 401, "No key.", attributes={"refuses_key": True}),
    Fault("a key that is refused", Unavailable, "***", 401, f"Wrong: {KEY}", attributes={"refuses_key": True}),
    Fault("a key without permission", Unavailable, "Not you.", 403, "Not you.", attributes={"refuses_key": True}),
    Fault("an unpaid bill", Unavailable, "Pay.", 402, "Pay.", attributes={"refuses_key": False}),
    Fault("a model that is unknown or retired", Unavailable, "no model: m", 404, "no model: m"),
    Fault("429", Overloaded, "Slowly.", 429, "Slowly.", attributes={"retry_after_s": None}),
    Fault("429 with Retry-After", Overloaded, "Slowly.", 429, "Slowly.",
          fields={"headers": {"retry-after": "7"}}, attributes={"retry_after_s": 7.0}),
    Fault("500", Unavailable, "Broken.", 500, "Broken."),
    Fault("503", Unavailable, "Broken.", 503, "Broken."),
    Fault("a bad request", Rejected, "Bad words.", 400, "Bad words."),
    Fault("a context that is too long", Rejected, "too long", 400, "prompt is too long", attributes=CONTEXT),
    Fault("a redirect", Unavailable, "", 302, "Elsewhere.", fields={"headers": {"location": NOTHING}}),
    Fault("a page that is no API", Unavailable, "", fields={"chunks": None, "body": b"<html>Hello</html>"}),
    Fault("no first token", Unavailable, "in time", fields={"stays_open": True}, read_timeout_s=0.3),
    Fault("keep-alives and no token", Unavailable, "in time", fields={"keeps_alive": True}, read_timeout_s=0.3),
    Fault(SLOW, Unavailable, "in time", spoken=True, fields={"stays_open": True}, read_timeout_s=2.0),
    Fault("no answer at all", Unavailable, "before it began", fields={"tail": b"\n"}),
    Fault("an end without a reason", Unavailable, "broke off", spoken=True),
    Fault("an event that is cut off", Unavailable, "", spoken=True, fields={"tail": b'data: {"type": "content_bl'}),
    Fault("a connection that breaks", Unavailable, "broke off", spoken=True, fields={"breaks_off": True}),
    Fault("bytes that are no UTF-8", Unavailable, "cannot be read", spoken=True,
          fields={"tail": b'event: x\ndata: {"x": "\xff\xfe"}\n\n'}),
    Fault("an event that is no JSON", Unavailable, "cannot be read", spoken=True,
          fields={"tail": b"event: message_delta\ndata: {oops\n\n"}),
    Fault("an error in the middle", Unavailable, "Broken.", spoken=True, failure=("api_error", "Broken.")),
]  # fmt: skip


def dictate(api: Api, provider: ScriptedProvider, fault: Fault) -> None:
    if fault.status != 200:
        provider.status = fault.status
        provider.body = json.dumps({"type": "error", "error": {"type": "x", "message": fault.message}}).encode()
    else:
        provider.chunks = api.words("Hi") if fault.spoken else []
        provider.chunks = [*provider.chunks, *(api.failure(*fault.failure) if fault.failure else ())]
    for name, value in fault.fields.items():
        setattr(provider, name, value)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_every_fault_is_a_typed_error_that_names_the_model(
    api: Api, provider: ScriptedProvider, load: Load, fault: Fault
):
    dictate(api, provider, fault)
    deltas: list[Delta] = []
    with pytest.raises(EngineError) as raised:
        async for delta in load("model", fault.base_url, fault.read_timeout_s).stream(HELLO, (), ChatOptions()):
            deltas.append(delta)
    assert type(raised.value) is fault.kind, raised.value
    message = str(raised.value)
    assert message.startswith("model")
    assert fault.words in message
    assert KEY not in message
    assert {name: getattr(raised.value, name) for name in fault.attributes} == fault.attributes
    assert said(deltas) == ("Hi" if fault.spoken else "")
    assert not any(isinstance(delta, Finished) for delta in deltas)
    assert len(provider.requests) <= 1 or fault.name == "a dropped connection"


@pytest.mark.parametrize("fault", [each for each in FAULTS if each.name != SLOW], ids=lambda fault: fault.name)
async def test_a_stand_in_answers_unless_the_request_is_at_fault(
    api: Api, provider: ScriptedProvider, load: Load, fault: Fault
):
    dictate(api, provider, fault)
    backup = api.server()
    backup.chunks = [*api.words("Good", " day."), *api.end()]
    async with backup.running():
        models = [load("model", fault.base_url, fault.read_timeout_s), load("backup", backup.base_url)]
        model = FallbackChatModel(models)
        if fault.kind is Rejected:
            with pytest.raises(Rejected):
                await ask(model)
            assert backup.requests == []
            return
        deltas = await ask(model)
    assert said(deltas) == ("Hi " if fault.spoken else "") + "Good day."
    answered = [delta for delta in deltas if isinstance(delta, AnsweredBy)]
    assert answered[-1].model == "backup"
    assert answered[-1].fallback is not None
    assert deltas[-1] == Finished("stop")


# --- answers that are no errors ---------------------------------------------------------------------------------------


async def test_an_empty_answer_ends_without_words(api: Api, provider: ScriptedProvider, load: Load):
    provider.chunks = [*api.nothing(), *api.end()]
    deltas = await ask(load())
    assert said(deltas) == ""
    assert deltas[-1] == Finished("stop")


async def test_an_answer_of_ten_thousand_words_comes_whole(api: Api, provider: ScriptedProvider, load: Load):
    words = [f"word{number} " * 20 for number in range(500)]
    provider.chunks = [*api.words(*words), *api.end("max_output_tokens")]
    deltas = await ask(load())
    assert said(deltas) == "".join(words)
    assert deltas[-1] == Finished("max_output_tokens")


async def test_an_answer_without_end_is_given_up(api: Api, provider: ScriptedProvider, load: Load):
    provider.chunks = api.words(*["a" * 100_000] * 11)
    with pytest.raises(Unavailable, match="does not stop"):
        await ask(load())


TABLE = "| city | weather |\n|---|---|\n| Paris | sunny |\n"


async def test_a_table_comes_as_it_was_written(api: Api, provider: ScriptedProvider, load: Load):
    provider.chunks = [*api.words(*TABLE.splitlines(keepends=True)), *api.end()]
    assert said(await ask(load())) == TABLE


@pytest.mark.parametrize("spoken", ["", "I think"])
async def test_a_filter_is_told_as_the_reason(api: Api, provider: ScriptedProvider, load: Load, spoken: str):
    provider.chunks = [*(api.words(spoken) if spoken else api.nothing()), *api.end("content_filter")]
    deltas = await ask(load())
    assert said(deltas) == spoken
    assert deltas[-1] == Finished("content_filter")


@pytest.mark.parametrize("arguments", ['{"city": "Par', "Paris", "{}}"])
async def test_broken_arguments_of_a_call_come_as_they_are(
    api: Api, provider: ScriptedProvider, load: Load, arguments: str
):
    provider.chunks = [*api.call(arguments), *api.end("tool_calls")]
    deltas = await ask(load(), [WEATHER])
    calls = [delta for delta in deltas if isinstance(delta, ToolCallDelta)]
    assert "".join(call.arguments for call in calls) == arguments
    assert (calls[0].name, {call.index for call in calls}) == ("get_weather", {0})
    assert deltas[-1] == Finished("tool_calls")
