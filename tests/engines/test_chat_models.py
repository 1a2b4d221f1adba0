"""What every chat model must do: one suite for every engine.

The engines of providers drive a real llama.cpp server over both of its APIs. `test_chat_faults.py` has what happens
when a provider does not do its part.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest
from smollm2 import CAPITAL, ENTRY, STORY, ask, load_context, loaded, text_of

from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.llm.base import ChatModel, ChatOptions, Finished, Image, Message, Text, Tool, ToolCall, Usage
from streamsrv.engines.llm.discovery import KnownServer, choose_chat_model, find_local_servers
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.errors import Rejected

SLOTS = 2


@pytest.fixture(scope="module")
def context() -> Generator[LoadContext, None, None]:
    with load_context() as context:
        yield context


@pytest.fixture(scope="module")
def embedded(context: LoadContext) -> Generator[ChatModel, None, None]:
    with loaded(context) as model:
        yield model


@pytest.fixture(scope="module")
def llama_server(context: LoadContext) -> str:
    """The address of a llama.cpp server with the same weights, greedy, as anyone would run it."""
    import xllamacpp

    parameters: Any = xllamacpp.CommonParams()
    parameters.model.path = str(next(iter(context.files.values())))
    parameters.n_ctx, parameters.n_parallel, parameters.cache_ram_mib = SLOTS * 4096, SLOTS, 64
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.sampling.temp = 0.0
    parameters.verbosity, parameters.ui = -1, False
    server: Any = xllamacpp.Server(parameters)
    _SERVERS.append(server)
    return server.listening_address


_SERVERS: list[Any] = []  # a server stops when its object goes
OVER_HTTP = ["openai_compatible", "anthropic"]
"""Engines that drive the llama.cpp server with their provider's own package."""


def http_entry(address: str, engine: str = "openai_compatible", **options: Any) -> ModelEntry:
    base_url = f"{address}/v1" if engine == "openai_compatible" else address
    options = {"model": "m", "base_url": base_url, "max_output_tokens": 30} | options
    return ModelEntry("llama-server", "chat", engine, options=options)


@pytest.fixture(params=["embedded", *OVER_HTTP])
async def model(request: pytest.FixtureRequest, context: LoadContext) -> AsyncGenerator[ChatModel, None]:
    if request.param == "embedded":
        yield request.getfixturevalue("embedded")
        return
    _skip_without_package(request.param)
    model = load_engine(http_entry(request.getfixturevalue("llama_server"), request.param), context)
    yield model
    await model.aclose()


@pytest.fixture(params=["embedded", *OVER_HTTP])
async def endless(request: pytest.FixtureRequest, context: LoadContext) -> AsyncGenerator[ChatModel, None]:
    """A model that does not stop by itself for some thousand tokens."""
    if request.param == "embedded":
        options = {"slots": SLOTS, "context_tokens": 4096, "max_output_tokens": 3000, "guided": False}
        entry = dataclasses.replace(ENTRY, options=options)
    else:
        _skip_without_package(request.param)
        address = request.getfixturevalue("llama_server")
        entry = http_entry(address, request.param, max_output_tokens=3000, extra_body={"ignore_eos": True})
    model = load_engine(entry, context)
    yield model
    await model.aclose()


def _skip_without_package(engine: str) -> None:
    package = "openai" if engine == "openai_compatible" else engine
    pytest.importorskip(package, reason=f"needs streamsrv[{package}]")


# --- every chat model -------------------------------------------------------------------------------------------------


async def test_an_answer_comes_in_pieces_then_usage_then_the_reason(model: ChatModel):
    deltas = await ask(model, CAPITAL)
    assert "Paris" in text_of(deltas)
    assert sum(isinstance(delta, Text) for delta in deltas) > 3
    assert deltas[-1] == Finished("stop")
    [usage] = [delta for delta in deltas if isinstance(delta, Usage)]
    assert deltas[-2] is usage
    assert 15 < usage.input_tokens < 600
    assert 5 < usage.output_tokens < 40
    assert 0 <= usage.cached_tokens <= usage.input_tokens


async def test_the_answer_has_no_markup_of_the_chat_template(model: ChatModel):
    assert "<|" not in text_of(await ask(model, STORY, limit=30))


async def test_instructions_are_read(model: ChatModel):
    question = Message("user", "What is the secret word?")
    told = [Message("system", "Answer in one short sentence. The secret word is banana."), question]
    assert "banana" in text_of(await ask(model, told)).lower()
    assert "banana" not in text_of(await ask(model, [question])).lower()


async def test_earlier_turns_are_read(model: ChatModel):
    talk = [
        Message("user", "I have a dog named Rex."),
        Message("assistant", "Rex is a wonderful dog."),
        Message("user", "What is the name of my dog?"),
    ]
    assert "Rex" in text_of(await ask(model, talk))
    assert "Rex" not in text_of(await ask(model, talk[-1:]))


async def test_the_token_limit_of_the_request(model: ChatModel):
    deltas = await ask(model, STORY, limit=5)
    assert deltas[-1] == Finished("max_output_tokens")
    usage = deltas[-2]
    assert isinstance(usage, Usage)
    assert usage.output_tokens == 5
    assert text_of(deltas)


async def test_two_answers_at_once_do_not_mix(model: ChatModel):
    italy = [CAPITAL[0], Message("user", "What is the capital of Italy?")]
    france, rome = await asyncio.gather(ask(model, CAPITAL), ask(model, italy))
    assert "Paris" in text_of(france)
    assert "Rome" in text_of(rome)
    assert "Rome" not in text_of(france)
    assert "Paris" not in text_of(rome)


async def test_more_answers_than_slots_wait_their_turn(model: ChatModel):
    answers = await asyncio.gather(*(ask(model, CAPITAL) for _ in range(5)))
    assert all("Paris" in text_of(answer) for answer in answers)


async def test_closing_in_the_middle_frees_the_slot(endless: ChatModel):
    streams = [endless.stream(STORY, (), ChatOptions()) for _ in range(SLOTS)]
    for stream in streams:
        assert isinstance(await anext(stream), Text)
    for stream in streams:
        await stream.aclose()
    async with asyncio.timeout(15), contextlib.aclosing(endless.stream(CAPITAL, (), ChatOptions())) as stream:
        assert isinstance(await anext(stream), Text)  # the others would have gone on for a minute


async def test_cancelling_the_task_lets_the_next_one_in(model: ChatModel):
    for _ in range(4):
        task = asyncio.create_task(ask(model, STORY))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert "Paris" in text_of(await ask(model, CAPITAL))


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [Message("system", "Greet the user.")],
        [Message("user", "Hello!"), Message("assistant", "Hello! How can I help you?")],
        [Message("user", "")],
    ],
)
async def test_there_need_be_nothing_to_answer(model: ChatModel, messages: list[Message]):
    deltas = await ask(model, messages)
    assert text_of(deltas).strip()
    assert isinstance(deltas[-1], Finished)


async def test_tools_and_their_results_do_no_harm(model: ChatModel):
    call = ToolCall("call_1", "get_weather", '{"city": "Paris"}')
    talk = [
        Message("user", "What is the weather in Paris?"),
        Message("assistant", "", (call,)),
        Message("tool", "sunny", call_id="call_1"),
        Message("assistant", "It is sunny."),
        CAPITAL[-1],
    ]
    tool = Tool("get_weather", "Weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}})
    deltas = await ask(model, talk, tools=[tool])
    assert "Paris" in text_of(deltas)


async def test_a_message_longer_than_the_context_is_rejected(model: ChatModel):
    with pytest.raises(Rejected, match="context") as raised:
        await ask(model, [Message("user", "word " * 6000)])
    assert (raised.value.code, raised.value.param) == ("context_length_exceeded", "messages")
    assert "Paris" in text_of(await ask(model, CAPITAL))


async def test_an_answer_ends_before_a_stop_text(model: ChatModel):
    whole = text_of(await ask(model, CAPITAL))
    assert "Paris" in whole
    cut = text_of(await ask(model, CAPITAL, options=ChatOptions(stop=("Paris",))))
    assert cut == whole[: whole.index("Paris")]


@pytest.mark.parametrize("url", ["data:image/png;base64,iVBORw0KGgo=", "https://example.com/a.png"])
async def test_an_image_is_refused_by_a_model_that_cannot_see(model: ChatModel, url: str):
    assert not model.abilities.sees_images
    with pytest.raises(Rejected, match="image"):
        await ask(model, [Message("user", "What is this?", images=(Image(url),))])


async def test_warming_up(model: ChatModel):
    await model.warm_up()


# --- servers ----------------------------------------------------------------------------------------------------------


async def test_a_local_server_is_found_and_chosen(llama_server: str, context: LoadContext):
    pytest.importorskip("openai", reason="needs streamsrv[openai]")
    port = int(llama_server.rpartition(":")[2])
    places = [KnownServer("llama.cpp", port, owner="llamacpp"), KnownServer("nothing", 9)]
    [server] = await asyncio.to_thread(find_local_servers, 5.0, places)
    assert (server.kind, server.base_url) == ("llama.cpp", f"{llama_server}/v1")
    model = load_engine(choose_chat_model([], {}, [server]).entry, dataclasses.replace(context, api_key=None))
    await model.warm_up()
    assert "Paris" in text_of(await ask(model, CAPITAL))
    await model.aclose()


async def test_a_server_of_another_owner_is_not_taken(llama_server: str):
    port = int(llama_server.rpartition(":")[2])
    assert await asyncio.to_thread(find_local_servers, 5.0, [KnownServer("vLLM", port, owner="vllm")]) == []
