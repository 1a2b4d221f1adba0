"""What every model must do that judges the words of a turn; the real ones, where their weights are here."""

import asyncio
import math
import threading
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from streamsrv.engines.catalogue import ModelEntry, load_catalogue
from streamsrv.engines.llm.base import Message
from streamsrv.engines.llm.llama.server import LlamaCppServer
from streamsrv.engines.llm.llama.small_model import guided
from streamsrv.engines.loading import EngineLoader, LoadContext, load_engine
from streamsrv.engines.model_loader import ModelLoader
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.turn.next_token import NextTokenModel
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Overloaded, Unavailable
from streamsrv.inference.scheduler import Scheduler
from streamsrv.settings import Settings

ENTRY = load_catalogue()["smollm2-words"]


def weights() -> Path:
    if lacking := needs(ENTRY, ModelStore()):
        pytest.skip(f"{ENTRY.name} is not ready: {'; '.join(map(str, lacking))}")
    return next(iter(ModelStore().locate(ENTRY).values()))


@pytest.fixture(scope="module")
def model() -> Generator[NextTokenModel]:
    weights()
    loader = ModelLoader(Settings(), lambda _: None)
    model = asyncio.run(loader.load(ENTRY.name, "turn"))
    yield model
    asyncio.run(model.aclose())
    loader.scheduler.close()


async def test_its_weights_are_the_file_of_the_chat_model():
    assert weights() == next(iter(ModelStore().locate(load_catalogue()["smollm2-135m"]).values()))


async def test_a_finished_question_is_far_more_likely_an_end_than_an_open_clause(model: NextTokenModel):
    finished, unfinished = await model.ending("What time is it?"), await model.ending("What is the weather in the")
    assert finished.as_recognized > 0.5
    assert unfinished.as_recognized < 0.001
    assert finished.plain > unfinished.plain


async def test_marks_count_in_the_text_as_recognised_only(model: NextTokenModel):
    with_mark, without = await model.ending("I'd like to fly to."), await model.ending("i'd like to fly to")
    assert with_mark.as_recognized > 10 * without.as_recognized
    assert with_mark.plain == pytest.approx(without.plain, rel=0.1, abs=1e-6)


async def test_only_the_last_60_words_count(model: NextTokenModel):
    last = " ".join(["and then we went home"] * 12)
    shown = await model.ending(last)
    other = await model.ending(" ".join(["Nothing of this is read."] * 10) + " " + last)
    assert other.as_recognized == pytest.approx(shown.as_recognized, rel=0.1, abs=1e-6)


@pytest.mark.parametrize("text", ["a", "…", "1234567890" * 200, "😀" * 500, "word " * 5000])
async def test_any_text_has_a_probability(model: NextTokenModel, text: str):
    ending = await model.ending(text)
    assert 0 <= ending.as_recognized <= 1
    assert 0 <= ending.plain <= 1


async def test_the_probabilities_are_those_of_a_server_that_reads_the_whole_prompt(model: NextTokenModel):
    text = "Can you tell me when the next train leaves?"
    server = LlamaCppServer("direct", weights(), slots=1, context_tokens=768, min_reused_tokens=0)
    try:
        prompt = server.prompt([*guided(()), Message("user", text)])
        head = prompt[: prompt.rindex(text) + len(text)]
        ends = [server.token_ids(token)[0] for token in ("<|im_end|>", "<|endoftext|>")]
        direct = sum(math.exp(logprob) for token, logprob in server.next_tokens(head, 0) if token in ends)
    finally:
        server.close()
    await model.ending("Can you tell me")
    assert (await model.ending(text)).as_recognized == pytest.approx(direct, rel=0.15)


@pytest.mark.slow
async def test_texts_that_begin_like_an_earlier_one_go_on_from_it_with_the_same_result():
    model = load_engine(ENTRY, context())
    fresh = load_engine(ENTRY, context())
    try:
        for text in ("I would like", "I would like to book", "I would like to book a table."):
            gone_on = await model.ending(text)
        whole = await fresh.ending("I would like to book a table.")
        assert gone_on.as_recognized == pytest.approx(whole.as_recognized, rel=0.15)
    finally:
        await model.aclose()
        await fresh.aclose()


def context() -> LoadContext:
    return LoadContext(None, {"model.gguf": weights()})  # type: ignore[arg-type]


class HeldServer:
    """A fake of llama.cpp's server object, whose queries wait until they are released."""

    def __init__(self, *_: object, **__: object) -> None:
        self.release = threading.Event()
        self.begun = threading.Semaphore(0)
        self.prompts: list[str] = []
        self.error: Exception | None = None
        self.is_closed = False

    def prompt(self, messages: Sequence[Message]) -> str:
        return f"<user>{messages[-1].content}<end>"

    def token_ids(self, text: str) -> list[int]:
        return [2] if text == "<end>" else [3, 4]

    def tokenize(self, texts: Sequence[str]) -> list[int]:
        return [1 for _ in texts]

    def next_tokens(self, prompt: str, slot: int) -> list[tuple[int, float]]:
        del slot
        self.prompts.append(prompt)
        self.begun.release()
        assert self.release.wait(10)
        if self.error is not None:
            raise self.error
        return [(2, math.log(0.25)), (7, math.log(0.5))]

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> HeldServer:
    server = HeldServer()
    monkeypatch.setattr("streamsrv.engines.turn.next_token.LlamaCppServer", lambda *_, **__: server)
    return server


def fake_model(**options: object) -> NextTokenModel:
    entry = replace(ENTRY, options={"end_tokens": ["<end>"], **options})
    return load_engine(entry, LoadContext(None, {"model.gguf": Path("none")}))  # type: ignore[arg-type]


async def begun(server: HeldServer) -> None:
    assert await asyncio.to_thread(server.begun.acquire, timeout=10)


async def test_both_forms_are_judged_with_the_prompt_and_without_the_end_marker(held: HeldServer):
    model = fake_model()
    held.release.set()
    ending = await model.ending("What time's it, then?")
    assert held.prompts == ["<user>What time's it, then?", "<user>what time's it then"]
    assert (ending.as_recognized, ending.plain) == (pytest.approx(0.25), pytest.approx(0.25))
    await model.aclose()
    assert held.is_closed


async def test_more_pauses_than_may_wait_are_refused(held: HeldServer):
    model = fake_model(queue_limit=1)
    first = asyncio.ensure_future(model.ending("one"))
    await begun(held)
    second = asyncio.ensure_future(model.ending("two"))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="1 pauses waiting"):
        await model.ending("three")
    held.release.set()
    await asyncio.gather(first, second)
    await model.ending("four")
    await model.aclose()


async def test_a_judgement_that_nobody_awaits_any_more_is_not_begun(held: HeldServer):
    model = fake_model()
    first = asyncio.ensure_future(model.ending("Is it one?"))
    await begun(held)
    second = asyncio.ensure_future(model.ending("Is it two?"))
    await asyncio.sleep(0)
    for task in (first, second):
        task.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    held.release.set()
    await model.ending("yes")
    assert held.prompts == ["<user>Is it one?", "<user>yes"]
    await model.aclose()


async def test_what_waits_when_the_model_is_closed_fails(held: HeldServer):
    model = fake_model()
    running, waiting = (asyncio.ensure_future(model.ending(f"Number {number}?")) for number in (1, 2))
    await begun(held)
    closing = asyncio.ensure_future(model.aclose())
    await asyncio.sleep(0)
    held.release.set()
    await closing
    results = await asyncio.gather(running, waiting, return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)
    with pytest.raises(Unavailable, match="shutting down"):
        await model.ending("three")


async def test_a_failure_of_llama_cpp_is_raised_and_the_next_pause_is_judged(held: HeldServer):
    model = fake_model()
    held.release.set()
    held.error = Unavailable("llama.cpp: broken")
    with pytest.raises(Unavailable, match="broken"):
        await model.ending("one")
    held.error = None
    assert (await model.ending("one")).plain == pytest.approx(0.25)
    await model.aclose()


def test_an_end_token_that_the_model_lacks_is_refused_by_its_name(held: HeldServer):
    with pytest.raises(Unavailable, match="end_tokens: '<stop>' is not one token"):
        fake_model(end_tokens=["<stop>"])
    assert held.is_closed


def test_a_model_without_languages_is_refused(held: HeldServer):
    del held
    entry: ModelEntry = replace(ENTRY, languages=())
    with pytest.raises(Unavailable, match="languages is empty"):
        load_engine(entry, LoadContext(None, {"model.gguf": Path("none")}))  # type: ignore[arg-type]


def test_without_weights_the_remedy_is_named(tmp_path: Path):
    scheduler = Scheduler(1)
    try:
        with pytest.raises(Unavailable, match="streamsrv pull smollm2-words"):
            EngineLoader(load_catalogue(), ModelStore(tmp_path), scheduler).load(ENTRY)
    finally:
        scheduler.close()
