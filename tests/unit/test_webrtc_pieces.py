"""The small parts of the WebRTC transport: queue, rate, microphone."""

import asyncio

import numpy as np
import pytest

from streamsrv.audio.opus import OpusEncoder
from streamsrv.media.microphone import MicrophoneStream
from streamsrv.token_bucket import TokenBucket
from streamsrv.transports.incoming import MAX_AUDIO_SAMPLES, MAX_EVENTS, IncomingQueue

BLOCK = np.zeros(512, np.int16)


async def test_events_and_audio_come_in_the_order_in_which_they_were_put():
    queue = IncomingQueue()
    queue.put_event("a")
    queue.put_audio(BLOCK)
    queue.put_event("b")
    assert await queue.get() == "a"
    assert (await queue.get()) is BLOCK
    assert await queue.get() == "b"


async def test_a_full_queue_loses_the_oldest_audio_and_no_event():
    queue = IncomingQueue()
    queue.put_event("first")
    for number in range(MAX_AUDIO_SAMPLES // 512 + 3):
        queue.put_audio(np.full(512, number, np.int16))
    assert await queue.get() == "first"
    oldest = await queue.get()
    assert not isinstance(oldest, str)
    assert oldest is not None
    assert oldest[0] == 3


async def test_too_many_events_are_refused_until_some_were_read():
    queue = IncomingQueue()
    assert all(queue.put_event("x") for _ in range(MAX_EVENTS))
    assert not queue.put_event("one too many")
    await queue.get()
    assert queue.put_event("again")


async def test_whoever_waits_is_woken_by_the_end():
    queue = IncomingQueue()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(queue.get())
        await asyncio.sleep(0)
        queue.close()
    assert waiting.result() is None


async def test_one_who_can_wait_adds_events_when_there_is_room_and_leaves_some_to_others():
    queue = IncomingQueue()
    added = 0

    async def add() -> None:
        nonlocal added
        while await queue.put_event_later("aside"):
            added += 1

    adding = asyncio.ensure_future(add())
    await asyncio.sleep(0)
    assert added == MAX_EVENTS // 2
    assert queue.put_event("from the client itself")
    for _ in range(2):
        await queue.get()
    await asyncio.sleep(0)
    assert added == MAX_EVENTS // 2 + 1
    queue.close()
    async with asyncio.timeout(10):
        await adding


def test_a_debt_is_paid_before_anything_can_be_taken():
    bucket = TokenBucket(per_second=10, burst=5)
    bucket.spend(25, 0.0)
    assert bucket.wait_s(1, 0.0) == pytest.approx(2.1)
    assert not bucket.take(1, 2.0)
    assert bucket.take(1, 2.1)


def test_tokens_can_be_given_back():
    bucket = TokenBucket(per_second=10, burst=5)
    assert bucket.take(5, 0.0)
    bucket.give_back(2, 0.0)
    assert [bucket.take(1, 0.0) for _ in range(3)] == [True, True, False]
    bucket.give_back(100, 0.0)
    assert bucket.used(0.0) == 0


def test_a_bucket_gives_its_burst_at_once_and_the_rest_at_its_rate():
    bucket = TokenBucket(per_second=10, burst=5)
    assert [bucket.take(1, 0.0) for _ in range(6)] == [True] * 5 + [False]
    assert bucket.take(1, 0.1)
    assert not bucket.take(1, 0.1)


def test_a_bucket_is_never_fuller_than_its_burst():
    bucket = TokenBucket(per_second=10, burst=5)
    bucket.take(5, 0.0)
    assert [bucket.take(1, 1000.0) for _ in range(6)] == [True] * 5 + [False]


def hear(lost: set[int], packets: int = 100) -> list[int]:
    """Lengths of the blocks that come of a tone of so many packets, without those that are lost."""
    encoder, microphone, blocks = OpusEncoder(lossy=True), MicrophoneStream(), list[int]()
    tone = (8000 * np.sin(np.arange(480) * 2 * np.pi * 300 / 24_000)).astype(np.int16)
    for number in range(packets):
        packet = encoder.encode(tone)
        if number not in lost:
            blocks += [len(block) for block in microphone.receive(number, number * 960, packet, number * 20.0)]
    return blocks


def test_each_packet_is_heard_at_once_at_16_khz():
    blocks = hear(lost=set())
    assert len(blocks) == 100
    assert 100 * 320 - sum(blocks) <= 160  # the resampler holds some ms back


def test_losses_make_the_audio_no_shorter():
    assert sum(hear(lost={10, 11, 40, 70})) == sum(hear(lost=set()))


def test_a_lost_packet_delays_what_comes_after_it_by_no_more_than_the_wait():
    encoder, microphone = OpusEncoder(lossy=True), MicrophoneStream()
    tone = np.zeros(480, np.int16)
    for number in range(10):
        list(microphone.receive(number, number * 960, encoder.encode(tone), number * 20.0))
    list(microphone.receive(11, 11 * 960, encoder.encode(tone), 220.0))
    deadline_ms = microphone.deadline_ms
    assert deadline_ms is not None
    assert deadline_ms <= 220.0 + 60.0
    assert list(microphone.expire(deadline_ms))
    assert microphone.deadline_ms is None
