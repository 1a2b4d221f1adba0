"""What one client may have handled, and that a long piece of work lets others run."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from driven import Driven, driven
from streamsrv.engines.vad.base import VAD_FRAME_SAMPLES, VadStream
from streamsrv.engines.vad.gated import GatedVad
from streamsrv.protocol.client_events import AudioAppend, MalformedEvent, decode_client_event
from streamsrv.protocol.json_values import MAX_UNCOUNTED_BYTES, MAX_VALUES
from streamsrv.protocol.session_object import Pcm
from streamsrv.runtime import fairness
from streamsrv.runtime.fairness import (
    BYTES_PER_EVENT,
    EVENTS_BURST,
    EVENTS_PER_S,
    MALFORMED_BURST,
    EventAllowance,
    TimeSlice,
)
from streamsrv.runtime.hearing import FRAMES_AT_ONCE, Hearing
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def allowance(clock: Clock) -> EventAllowance:
    return EventAllowance(clock)


def test_a_burst_is_handled_at_once_and_more_at_a_steady_rate(allowance: EventAllowance, clock: Clock):
    for _ in range(EVENTS_BURST):
        assert allowance.wait_s == 0
        allowance.spend(0)
    assert allowance.wait_s == 0
    allowance.spend(0)
    assert allowance.wait_s == pytest.approx(1 / EVENTS_PER_S)
    clock.now_s += allowance.wait_s
    assert allowance.wait_s == 0


@pytest.mark.parametrize("per_second", [10, 50])
def test_audio_at_the_pace_at_which_clients_send_it_never_waits(
    allowance: EventAllowance, clock: Clock, per_second: int
):
    for _ in range(10 * 60 * per_second):
        clock.now_s += 1 / per_second
        allowance.spend(64_000 // per_second, is_audio=True)
        assert allowance.wait_s == 0


def test_a_recording_is_sent_more_than_twenty_times_as_fast_as_it_was_spoken(allowance: EventAllowance, clock: Clock):
    """In appends of 20 ms of PCM, an hour of them."""
    for _ in range(50 * 3600):
        clock.now_s += allowance.wait_s
        allowance.spend(1340, is_audio=True)
    assert clock.now_s - 1000 < 3600 / 20


def test_a_long_event_and_a_long_answer_count_as_several(allowance: EventAllowance):
    allowance.spend((EVENTS_BURST + 99) * BYTES_PER_EVENT)
    assert allowance.wait_s == pytest.approx(100 / EVENTS_PER_S)


def test_many_malformed_events_are_too_many(allowance: EventAllowance, clock: Clock):
    assert all(allowance.forgives_malformed() for _ in range(MALFORMED_BURST))
    assert not allowance.forgives_malformed()
    clock.now_s += 60
    assert allowance.forgives_malformed()


async def test_a_task_that_worked_long_lets_the_others_run(monkeypatch: pytest.MonkeyPatch):
    turns: list[str] = []
    time_slice = TimeSlice()

    async def other() -> None:
        turns.append("other")

    for slice_s, expected in ((10.0, ["work", "work"]), (0.0, ["work", "other", "work"])):
        monkeypatch.setattr(fairness, "SLICE_S", slice_s)
        turns.clear()
        task = asyncio.ensure_future(other())
        for _ in range(2):
            with time_slice:
                turns.append("work")
            await time_slice.give_way()
        assert turns == expected
        await task


class FakeBatchingVad:
    """Hears speech in nothing."""

    name = "fake-batching-vad"

    def open(self) -> VadStream:
        return self

    def probabilities(self, frames: NDArray[np.int16]) -> list[float]:
        return [0.0] * len(frames)

    def hear(self, pieces: Sequence[tuple[Any, NDArray[np.int16]]]) -> list[list[float]]:
        return [[0.0] * len(frames) for _, frames in pieces]


async def test_a_long_append_of_silence_lets_others_run():
    """What the gate stops is answered without waiting."""
    engines = replace(fake_engines(), vad=GatedVad(FakeBatchingVad()))
    hearing = Hearing(engines, asyncio.ensure_future, lambda _: None)
    batches, turns = 20, 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    second = bytes(2 * FRAMES_AT_ONCE * VAD_FRAME_SAMPLES * 3 // 2)
    await hearing.append(2 * second, Pcm())  # until the gate is shut
    counting = asyncio.ensure_future(count())
    await hearing.append(batches * second, Pcm())
    counting.cancel()
    assert turns >= batches - 1
    await engines.aclose()


async def test_a_client_that_sends_only_malformed_events_is_disconnected(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(fairness, "MALFORMED_BURST", 3)
    engines = fake_engines()
    session = Driven(engines)
    for _ in range(10):
        session.client.say("nonsense")
    assert await session.outcome() == (1008, "Too many malformed events.")
    errors = [event for event in session.client.events if event["type"] == "error"]
    assert 3 <= len(errors) <= 10
    await engines.aclose()


async def test_a_client_that_asks_for_more_than_the_queue_holds_gets_all_of_it_if_it_reads():
    engines = fake_engines(ScriptedChatModel())
    async with driven(engines) as session:
        text = "A rather long sentence. " * 8000
        item = {"id": "long", "type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        session.client.say("conversation.item.create", item=item)
        for _ in range(60):
            session.client.say("conversation.item.retrieve", item_id="long")
        for _ in range(60):
            await session.client.until("conversation.item.retrieved")
    await engines.aclose()


async def test_a_client_that_does_not_read_its_answers_is_not_read_on_for_a_while(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streamsrv.runtime.sending.PATIENCE_S", 0.01)
    engines = fake_engines()
    session = Driven(engines)
    await session.client.until("session.created")
    session.client.reads.clear()
    text = "A rather long sentence. " * 8000
    item = {"id": "long", "type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    session.client.say("conversation.item.create", item=item)
    for _ in range(100):
        session.client.say("conversation.item.retrieve", item_id="long")
    assert await session.outcome() == (1008, "The client does not read what it is sent.")
    await engines.aclose()


@pytest.mark.parametrize(
    "values",
    ["1," * MAX_VALUES + "1", "{}," * MAX_VALUES + "1", "[[[[1]]]]," * (MAX_VALUES // 4) + "1"],
    ids=["numbers", "objects", "lists in lists"],
)
@pytest.mark.parametrize("event_type", ['"session.update","session":{"x"', '2,"x":{"y"'], ids=["valid", "malformed"])
def test_an_event_of_too_many_values_is_refused_before_it_is_decoded(event_type: str, values: str):
    frame = f'{{"type":{event_type}:[{values}]}}}}'
    with pytest.raises(MalformedEvent, match=f"at most {MAX_VALUES}"):
        decode_client_event(frame)
    with pytest.raises(MalformedEvent, match=f"at most {MAX_VALUES}"):
        decode_client_event(frame.encode())


def test_a_long_event_of_few_values_is_decoded():
    event = decode_client_event(f'{{"type":"input_audio_buffer.append","audio":"{"A" * 4 * MAX_UNCOUNTED_BYTES}"}}')
    assert isinstance(event, AudioAppend)
    assert event.audio == bytes(3 * MAX_UNCOUNTED_BYTES)


def test_what_an_event_may_be_is_looked_up_once(monkeypatch: pytest.MonkeyPatch):
    """To look it up takes longer than all else about a malformed event."""

    def fail(*types: object) -> None:
        raise AssertionError("looked up again")

    for _ in range(2):
        with pytest.raises(MalformedEvent, match="session"):
            decode_client_event('{"type": "nonsense"}')
        monkeypatch.setattr("msgspec.inspect.multi_type_info", fail)
