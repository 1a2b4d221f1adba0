"""What every chat model must do: one suite for every engine.

The engines of providers drive a real llama.cpp server over both of its APIs. `test_chat_faults.py` has what happens
when a provider does not do its part.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator, Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from streamsrv.engines.catalogue import ModelEntry, load_catalogue
from streamsrv.engines.llm.base import (
    ChatModel,
    ChatOptions,
    Delta,
    Finished,
    Image,
    Message,
    Text,
    Tool,
    ToolCall,
    Usage,
)
from streamsrv.engines.llm.discovery import KnownServer, choose_chat_model, find_local_servers
from streamsrv.engines.llm.llama.server import LlamaCppServer
from streamsrv.engines.llm.llamacpp import LlamaCppOptions
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Overloaded, Rejected, Unavailable
from streamsrv.inference.scheduler import Scheduler

SHIPPED = load_catalogue()["smollm2-135m"]
ENTRY = dataclasses.replace(SHIPPED, options={**SHIPPED.options, "temperature": 0.0, "repeat_penalty": 1.0})
"""Greedy, so that every run gives the same answers."""
CAPITAL = [Message("system", "Answer in one short sentence."), Message("user", "What is the capital of France?")]
SLOTS = 2
STORY = [Message("user", "Tell me a long story about a dragon.")]


@pytest.fixture(scope="module")
def weights() -> dict[str, Path]:
    if lacking := needs(ENTRY, ModelStore()):
        pytest.skip(f"{ENTRY.name} is not ready: {'; '.join(map(str, lacking))}")
    return ModelStore().locate(ENTRY)


@pytest.fixture(scope="module")
def context(weights: dict[str, Path]) -> Generator[LoadContext, None, None]:
    scheduler = Scheduler(1)
    yield LoadContext(scheduler, weights, "the-key")
    scheduler.close()


@pytest.fixture(scope="module")
def embedded(context: LoadContext) -> Generator[ChatModel, None, None]:
    model = load_engine(ENTRY, context)
    yield model
    asyncio.run(model.aclose())


@pytest.fixture(scope="module")
def llama_server(weights: dict[str, Path]) -> str:
    """The address of a llama.cpp server with the same weights, greedy, as anyone would run it."""
    import xllamacpp

    parameters: Any = xllamacpp.CommonParams()
    parameters.model.path = str(next(iter(weights.values())))
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


async def ask(
    model: ChatModel,
    messages: Sequence[Message],
    *,
    tools: Sequence[Tool] = (),
    limit: int | None = None,
    options: ChatOptions | None = None,
) -> list[Delta]:
    options = options or ChatOptions(max_output_tokens=limit)
    return [delta async for delta in model.stream(messages, tools, options)]


def text_of(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


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


# --- the embedded model -----------------------------------------------------------------------------------------------


async def test_warming_up_makes_the_first_prompt_short(embedded: ChatModel):
    await embedded.warm_up()
    answers = await asyncio.gather(*(ask(embedded, [Message("user", text)]) for text in ("Hi!", "Good morning!")))
    for usage in (delta for answer in answers for delta in answer if isinstance(delta, Usage)):
        assert usage.input_tokens - usage.cached_tokens < 30


async def test_warming_up_with_instructions_warms_every_slot_for_them(embedded: ChatModel):
    instructions = Message("system", "Answer like a pirate who has read too many books about navigation.")
    await embedded.warm_up([instructions])
    slots = LlamaCppOptions(**ENTRY.options).slots
    answers = await asyncio.gather(*(ask(embedded, [instructions, Message("user", f"Hi {n}!")]) for n in range(slots)))
    for usage in (delta for answer in answers for delta in answer if isinstance(delta, Usage)):
        assert usage.input_tokens - usage.cached_tokens < 30


async def test_a_question_asked_again_in_place_of_a_cancelled_one_finds_its_slot(embedded: ChatModel):
    story = [Message("system", "You tell long stories. " * 10), Message("user", "Tell me a story.")]
    async with contextlib.aclosing(embedded.stream(story, (), ChatOptions())) as stream:
        await anext(stream)
    again = [story[0], Message("user", "Tell me a story, please.")]
    answer = await ask(embedded, again, options=ChatOptions(max_output_tokens=5))
    [usage] = [delta for delta in answer if isinstance(delta, Usage)]
    assert usage.input_tokens - usage.cached_tokens < 30


async def test_conversations_without_a_slot_are_not_read_again(context: LoadContext):
    entry = dataclasses.replace(ENTRY, options=dict(ENTRY.options) | {"slots": 1})
    model = load_engine(entry, context)
    await model.warm_up()
    greeting = Message("assistant", "Hello! It is very nice to meet you. " * 5)
    talks = {name: [Message("user", f"My sister is called {name}."), greeting] for name in ("Anna", "Sue")}
    for _ in range(2):
        for talk in talks.values():
            thanked = [*talk, Message("user", "Thank you.")]
            answer = await ask(model, thanked, options=ChatOptions(max_output_tokens=10))
            talk += [Message("user", "Thank you."), Message("assistant", text_of(answer))]
    for name, talk in talks.items():
        answer = await ask(model, [*talk, Message("user", "What is my sister called?")])
        [usage] = [delta for delta in answer if isinstance(delta, Usage)]
        assert usage.input_tokens - usage.cached_tokens < 50
        assert name in text_of(answer)
    await model.aclose()


async def test_where_no_file_can_be_written_conversations_are_read_again(
    context: LoadContext, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(LlamaCppServer, "save", fail)
    entry = dataclasses.replace(ENTRY, options=dict(ENTRY.options) | {"slots": 1})
    model = load_engine(entry, context)
    await model.warm_up()
    for talk in (CAPITAL, STORY, [*CAPITAL, Message("assistant", "Paris."), CAPITAL[-1]]):
        assert text_of(await ask(model, talk, options=ChatOptions(max_output_tokens=10)))
    assert "will take longer to answer: No space left on device" in caplog.text
    await model.aclose()


async def test_temperature_top_p_and_seed_are_obeyed(embedded: ChatModel):
    async def story(**options: Any) -> str:
        return text_of(await ask(embedded, STORY, options=ChatOptions(max_output_tokens=30, **options)))

    likeliest = await story()
    assert await story(temperature=0.0) == likeliest
    assert await story(temperature=2.0, top_p=0.0) == likeliest
    drawn = {await story(temperature=1.5, seed=seed) for seed in (1, 2, 3)}
    assert len(drawn) == 3
    assert await story(temperature=1.5, seed=2) in drawn
    assert await story(temperature=1.5, seed=-1)


async def test_penalties_and_biases_are_obeyed(embedded: ChatModel):
    end_of_text = "2"  # token id of SmolLM2's <|im_end|>
    assert text_of(await ask(embedded, CAPITAL, options=ChatOptions(logit_bias={end_of_text: 100}))) == ""

    async def story(**penalty: float) -> str:
        return text_of(await ask(embedded, STORY, options=ChatOptions(max_output_tokens=40, **penalty)))

    plain = await story()
    assert await story(frequency_penalty=2.0) != plain
    assert await story(presence_penalty=2.0) != plain


@pytest.mark.parametrize(
    ("options", "param"),
    [
        (ChatOptions(reasoning_effort="low"), "reasoning_effort"),
        (ChatOptions(tool_choice="required"), "tool_choice"),
        (ChatOptions(tool_choice="weather"), "tool_choice"),
        (ChatOptions(provider_fields={"response_format": {"type": "json_object"}}), "response_format"),
        (ChatOptions(provider_fields={"store": True}), "store"),
        (ChatOptions(provider_fields={"service_tier": "priority"}), "service_tier"),
    ],
)
async def test_what_the_embedded_model_cannot_do_is_refused(embedded: ChatModel, options: ChatOptions, param: str):
    with pytest.raises(Rejected) as raised:
        await ask(embedded, CAPITAL, options=options)
    assert (raised.value.code, raised.value.param) == ("unsupported_parameter", param)


async def test_the_embedded_model_sees_no_images(embedded: ChatModel):
    with pytest.raises(Rejected, match="cannot see images"):
        await ask(embedded, [Message("user", "Look!", images=(Image("https://x/y.png"),)), *CAPITAL])


async def test_labels_of_a_request_change_nothing(embedded: ChatModel):
    fields = {"user": "u", "metadata": {"k": "v"}, "store": False, "service_tier": "auto"}
    assert "Paris" in text_of(await ask(embedded, CAPITAL, options=ChatOptions(provider_fields=fields)))


async def test_it_is_occupied_while_it_answers(embedded: ChatModel):
    occupancy = embedded.occupancy
    assert occupancy is not None
    assert not occupancy.now
    before_s = occupancy.total_s
    async with contextlib.aclosing(embedded.stream(CAPITAL, (), ChatOptions())) as stream:
        await anext(stream)
        assert occupancy.now
    assert not occupancy.now
    assert occupancy.total_s > before_s


async def test_a_long_conversation_is_cut_to_what_fits(embedded: ChatModel):
    turn = [Message("user", "Tell me a word. " * 30), Message("assistant", "Word. " * 60)]
    deltas = await ask(embedded, [*turn * 20, *CAPITAL])
    assert "Paris" in text_of(deltas)
    [usage] = [delta for delta in deltas if isinstance(delta, Usage)]
    assert usage.input_tokens < ENTRY.options.get("context_tokens", 2048)


async def test_too_many_waiting_requests_are_refused_until_one_is_closed(context: LoadContext):
    entry = dataclasses.replace(ENTRY, options=dict(ENTRY.options) | {"slots": 1, "queue_limit": 1})
    model = load_engine(entry, context)
    running = model.stream(STORY, (), ChatOptions())
    await anext(running)
    waiting = asyncio.create_task(ask(model, CAPITAL))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="1 request"):
        await ask(model, CAPITAL)
    await running.aclose()
    assert "Paris" in text_of(await waiting)
    assert "Paris" in text_of(await ask(model, CAPITAL))
    await model.aclose()


async def test_closing_the_model_ends_what_is_running_and_waiting(context: LoadContext):
    entry = dataclasses.replace(ENTRY, options=dict(ENTRY.options) | {"slots": 1})
    model = load_engine(entry, context)
    requests = [asyncio.create_task(ask(model, STORY)) for _ in range(3)]
    await asyncio.sleep(0)
    await model.aclose()
    for request in requests:
        with pytest.raises(Unavailable, match="shutting down"):
            await request
    with pytest.raises(Unavailable, match="shutting down"):
        await ask(model, CAPITAL)


async def test_nothing_is_printed(context: LoadContext, capfd: pytest.CaptureFixture[str]):
    model = load_engine(ENTRY, context)
    await model.warm_up()
    with pytest.raises(Rejected):
        await ask(model, [Message("user", "word " * 6000)])
    await model.aclose()
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_no_model(context: LoadContext, tmp_path: Path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"no model")
    with pytest.raises(Unavailable, match=r"model\.gguf"):
        load_engine(ENTRY, dataclasses.replace(context, files={"model.gguf": path}))


def test_a_wrong_option(context: LoadContext):
    with pytest.raises(Unavailable, match="temprature"):
        load_engine(dataclasses.replace(ENTRY, options={"temprature": 1}), context)


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
