"""The embedded language model on its own: its slots, its queue, its options, and what it refuses."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from smollm2 import CAPITAL, ENTRY, STORY, ask, load_context, loaded, text_of

from streamsrv.engines.llm.base import ChatModel, ChatOptions, Image, Message, Usage
from streamsrv.engines.llm.llama.server import LlamaCppServer
from streamsrv.engines.llm.llamacpp import LlamaCppOptions
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.errors import Overloaded, Rejected, Unavailable


@pytest.fixture(scope="module")
def context() -> Generator[LoadContext, None, None]:
    with load_context() as context:
        yield context


@pytest.fixture(scope="module")
def embedded(context: LoadContext) -> Generator[ChatModel, None, None]:
    with loaded(context) as model:
        yield model


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
