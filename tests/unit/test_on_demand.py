"""Recognisers that are loaded when they are used: audio waits for them, memory is bounded, idle ones make room."""

import asyncio
from collections.abc import AsyncGenerator

import numpy as np
import pytest

from streamsrv.engines.asr import on_demand
from streamsrv.engines.asr.base import Abilities, RecognitionOptions, RecognitionStream
from streamsrv.engines.asr.on_demand import LOADING_S, OnDemandRecognizer
from streamsrv.engines.recognizer_pool import RecognizerPool
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable
from streamsrv.testing.fakes import ScriptedRecognizer

ANY = RecognitionOptions()
STATED = Abilities(frozenset({"en", "de"}))
FRAME = np.full(512, 7, np.int16)


class Model(ScriptedRecognizer):
    """A fake that records what it was given, and its end."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name
        self.heard: list[tuple[int, bool]] = []
        self.asked: list[RecognitionOptions] = []
        self.sessions = 0
        self.is_closed = False

    def connect(self):
        session = super().connect()
        self.sessions += 1

        async def aclose() -> None:
            self.sessions -= 1

        session.aclose = aclose
        return session

    def open(self, options: RecognitionOptions):
        self.asked.append(options)
        stream = super().open(options)
        push = stream.push

        def heard(pcm, *, speech=True) -> None:
            self.heard.append((len(pcm), speech))
            push(pcm, speech=speech)

        stream.push = heard
        return stream

    async def aclose(self) -> None:
        assert not self.sessions, "a model leaves memory when nobody uses it"
        self.is_closed = True


class Shelf:
    """A pool whose models are loaded when the test lets them: `loading` are those that wait for that."""

    def __init__(self, memory: int = 100) -> None:
        self.pool = RecognizerPool(memory)
        self.loading: dict[str, asyncio.Future[Model]] = {}
        self.loaded: list[Model] = []
        self.loads = 0

    def __call__(self, name: str, memory: int = 40) -> OnDemandRecognizer:
        async def load() -> Model:
            self.loads += 1
            self.loading[name] = asyncio.get_running_loop().create_future()
            model = await self.loading[name]
            self.loaded.append(model)
            return model

        return self.pool.recognizer(name, name, STATED, memory, load)

    async def finish(self, name: str, error: Exception | None = None) -> Model:
        """End the loading of a model, which must have begun."""
        await settle()
        model, waiting = Model(name), self.loading.pop(name)
        waiting.set_exception(error) if error is not None else waiting.set_result(model)
        await settle()
        return model

    @property
    def in_memory(self) -> set[str]:
        return {model.name for model in self.loaded if not model.is_closed}


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
async def shelf() -> AsyncGenerator[Shelf]:
    before = asyncio.all_tasks()
    shelf = Shelf()
    yield shelf
    await shelf.pool.aclose()
    await settle()
    assert not shelf.in_memory
    assert asyncio.all_tasks() - before <= {asyncio.current_task()}


async def text_of(stream: RecognitionStream) -> str:
    async with asyncio.timeout(10):
        return " ".join([transcript.text async for transcript in stream])


async def test_it_is_loaded_at_its_first_session_and_only_then(shelf: Shelf):
    recognizer = shelf("a")
    await settle()
    assert not shelf.loads
    first, second = recognizer.connect(), recognizer.connect()
    await shelf.finish("a")
    assert shelf.loads == 1
    stream = first.open(ANY)
    stream.finish()
    assert await text_of(stream) == "a"
    for each in (stream, first, second):
        await each.aclose()
    again = recognizer.connect()
    assert shelf.loads == 1
    await again.aclose()


async def test_audio_waits_for_the_model_and_none_is_lost(shelf: Shelf):
    session = shelf("a").connect()
    stream = session.open(RecognitionOptions(language="de"))
    for number in range(100):
        stream.push(FRAME, speech=10 <= number < 60)
    following = asyncio.ensure_future(text_of(stream))
    model = await shelf.finish("a")
    assert model.heard == [(10 * 512, False), (50 * 512, True), (40 * 512, False)]
    assert model.asked == [RecognitionOptions(language="de")]
    stream.push(FRAME)
    stream.finish()
    assert model.heard[-1] == (512, True)
    assert await following == "a"
    await stream.aclose()
    assert not model.open_streams
    await session.aclose()
    assert not model.sessions


async def test_an_utterance_that_ends_while_the_model_is_loaded(shelf: Shelf):
    session = shelf("a").connect()
    streams = [session.open(ANY) for _ in range(2)]
    for stream in streams:
        stream.push(FRAME)
        stream.finish()
    following = [asyncio.ensure_future(text_of(stream)) for stream in streams]
    model = await shelf.finish("a")
    assert await asyncio.gather(*following) == ["a", "a"]
    assert model.heard == [(512, True)] * 2
    for each in (*streams, session):
        await each.aclose()


async def test_too_much_waiting_audio_is_refused_and_dropped_audio_makes_room(shelf: Shelf, monkeypatch):
    monkeypatch.setattr(on_demand, "MAX_WAITING_S", 1)
    session = shelf("a").connect()
    first, second = session.open(ANY), session.open(ANY)
    first.push(np.zeros(10_000, np.int16))
    second.push(np.zeros(6_000, np.int16))
    with pytest.raises(Overloaded, match="a is not loaded yet, and no more than 1 s"):
        second.push(FRAME)
    await first.aclose()
    second.push(np.zeros(10_000, np.int16))
    following = asyncio.ensure_future(text_of(second))
    model = await shelf.finish("a")
    second.finish()
    assert await following == "a"
    assert model.heard == [(16_000, True)]
    third = session.open(ANY)
    third.push(np.zeros(32_000, np.int16))
    for each in (second, third, session):
        await each.aclose()


async def test_a_failure_reaches_the_audio_that_waits_without_its_details(shelf: Shelf, caplog):
    session = shelf("a").connect()
    stream = session.open(ANY)
    following = asyncio.ensure_future(text_of(stream))
    await shelf.finish("a", OSError("/secret/model.bin is truncated"))
    with pytest.raises(Unavailable, match="a could not be loaded; the server's log says why") as failed:
        await following
    assert "/secret" not in str(failed.value)
    assert "/secret/model.bin is truncated" in caplog.text
    for each in (stream, session):
        await each.aclose()


async def test_a_failed_model_is_loaded_again_later(shelf: Shelf, monkeypatch):
    recognizer = shelf("a")
    session = recognizer.connect()
    await shelf.finish("a", Unavailable("truncated"))
    with pytest.raises(Unavailable, match="could not be loaded"):
        session.open(ANY)
    assert shelf.loads == 1
    monkeypatch.setattr("streamsrv.engines.recognizer_pool.RETRY_S", 0)
    stream = session.open(ANY)
    following = asyncio.ensure_future(text_of(stream))
    await shelf.finish("a")
    stream.finish()
    assert await following == "a"
    assert shelf.loads == 2
    for each in (stream, session):
        await each.aclose()


async def test_a_client_that_leaves_while_the_model_is_loaded(shelf: Shelf):
    session = shelf("a").connect()
    stream = session.open(ANY)
    stream.push(FRAME)
    following = asyncio.ensure_future(text_of(stream))
    await settle()
    await stream.aclose()
    assert await following == ""
    await session.aclose()
    model = await shelf.finish("a")
    assert not model.heard
    assert shelf.in_memory == {"a"}


async def test_a_model_whose_clients_left_before_its_turn_is_not_loaded(shelf: Shelf):
    first, second = shelf("a").connect(), shelf("b").connect()
    await settle()
    await second.aclose()
    await shelf.finish("a")
    assert (shelf.loads, shelf.in_memory) == (1, {"a"})
    again = shelf("b").connect()
    await shelf.finish("b")
    for each in (first, again):
        await each.aclose()


async def test_models_are_loaded_one_at_a_time_in_the_order_of_their_first_use(shelf: Shelf):
    sessions = [shelf(name, memory=10).connect() for name in ("a", "b", "a", "c")]
    for name in ("a", "b", "c"):
        await settle()
        assert list(shelf.loading) == [name]
        await shelf.finish(name)
    assert shelf.loads == 3
    for session in sessions:
        await session.aclose()


async def test_the_longest_idle_model_makes_room(shelf: Shelf):
    sessions = {}
    for name in ("a", "b"):
        sessions[name] = shelf(name).connect()
        await shelf.finish(name)
    for name in ("b", "a"):
        await sessions[name].aclose()
    third = shelf("c").connect()
    await shelf.finish("c")
    assert shelf.in_memory == {"a", "c"}
    await third.aclose()


async def test_a_model_in_use_stays_and_another_is_refused_until_there_is_room(shelf: Shelf):
    first, second = shelf("a").connect(), shelf("b").connect()
    for name in ("a", "b"):
        await shelf.finish(name)
    third = shelf("c").connect()
    stream = third.open(ANY)
    with pytest.raises(Overloaded, match=r"c takes about 40 bytes of memory, and those in use leave less"):
        await text_of(stream)
    assert shelf.in_memory == {"a", "b"}
    await second.aclose()
    again = third.open(ANY)
    following = asyncio.ensure_future(text_of(again))
    await shelf.finish("c")
    again.finish()
    assert await following == "c"
    assert shelf.in_memory == {"a", "c"}
    for each in (stream, again, first, third):
        await each.aclose()


async def test_a_model_that_left_memory_is_loaded_again(shelf: Shelf):
    recognizer = shelf("a", memory=100)
    session = recognizer.connect()
    await shelf.finish("a")
    await session.aclose()
    other = shelf("b", memory=100).connect()
    await shelf.finish("b")
    assert (shelf.in_memory, recognizer.is_loaded) == ({"b"}, False)
    await other.aclose()
    again = recognizer.connect()
    await shelf.finish("a")
    assert shelf.in_memory == {"a"}
    await again.aclose()


async def test_a_hold_has_a_model_loaded_and_keeps_it(shelf: Shelf):
    hold = shelf("a", memory=100).hold()
    waiting = asyncio.ensure_future(hold.recognizer.loaded())
    model = await shelf.finish("a")
    assert await waiting is model
    other = shelf("b").connect()
    with pytest.raises(EngineError):
        await shelf("b").loaded()
    hold.release()
    hold.release()
    stream = other.open(ANY)
    await shelf.finish("b")
    assert shelf.in_memory == {"b"}
    for each in (stream, other):
        await each.aclose()


async def test_a_model_of_a_former_catalogue_leaves_when_its_last_session_ends(shelf: Shelf):
    sessions = [shelf(name).connect() for name in ("a", "b")]
    for name in ("a", "b"):
        await shelf.finish(name)
    await sessions[1].aclose()
    shelf.pool.keep([])
    await settle()
    assert shelf.in_memory == {"a"}
    stream = sessions[0].open(ANY)
    stream.finish()
    assert await text_of(stream) == "a"
    for each in (stream, sessions[0]):
        await each.aclose()
    await settle()
    assert shelf.in_memory == set()


async def test_what_it_can_do_is_what_the_catalogue_states_until_it_is_loaded(shelf: Shelf):
    recognizer = shelf("a")
    assert recognizer.abilities.languages == STATED.languages
    assert recognizer.abilities.final_deadline_s == STATED.final_deadline_s + LOADING_S
    session = recognizer.connect()
    stream = session.open(RecognitionOptions(task="translate"))
    model = await shelf.finish("a")
    assert recognizer.abilities is model.abilities
    with pytest.raises(Rejected, match="a cannot recognise this"):
        await text_of(stream)
    for each in (stream, session):
        await each.aclose()


async def test_the_end_of_the_server_while_a_model_is_loaded(shelf: Shelf):
    session = shelf("a").connect()
    stream = session.open(ANY)
    following = asyncio.ensure_future(text_of(stream))
    await settle()
    await shelf.pool.aclose()
    with pytest.raises(Overloaded, match="a is not loaded"):
        await following
    for each in (stream, session):
        await each.aclose()
