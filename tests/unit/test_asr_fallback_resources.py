"""What a chain of recognisers holds, and what it leaves behind: streams, sessions, tasks and audio."""

import asyncio
import gc
import weakref
from contextlib import aclosing

import numpy as np
import pytest

from recognizer_chain import ANY, FRAME, all_closed, chain, check_nothing_lost, hear, recognize, speak, speech, virtual
from streamsrv.engines.asr.failover import kept_audio
from streamsrv.errors import Unavailable
from streamsrv.testing.mortal_recognizer import Death, MortalRecognizer, spoken


@virtual
async def test_a_stream_that_hangs_at_closing_delays_nothing():
    loop = asyncio.get_running_loop()
    first, second = MortalRecognizer("first", Death("iterate", 2), hangs=True), MortalRecognizer("second")
    session = chain(first, second).connect()
    stream = session.open(ANY)
    hearing = asyncio.create_task(hear(stream))
    since = loop.time()
    await speak(stream, speech(range(1, 6)))
    stream.finish()
    check_nothing_lost(await hearing, range(1, 6))
    assert loop.time() - since < 3
    await stream.aclose()
    await session.aclose()
    assert loop.time() - since < 10
    assert asyncio.all_tasks() == {asyncio.current_task()}


@virtual
async def test_closing_during_a_replacement_leaves_nothing_behind():
    for words in range(6):
        first, second = MortalRecognizer("first", Death("iterate", words)), MortalRecognizer("second")
        session = chain(first, second).connect()
        stream = session.open(ANY)
        reading = asyncio.create_task(hear(stream))
        await speak(stream, speech(range(1, 4)))
        stream.push(speech([1] * 2000))
        await stream.aclose()
        await stream.aclose()
        await session.aclose()
        await reading
        await all_closed(first, second)


@virtual
async def test_the_audio_is_freed_with_the_final_transcript():
    class Audio(np.ndarray):
        """An array that can be referenced weakly."""

    session = chain(MortalRecognizer("first")).connect()
    stream = session.open(ANY)
    pcm = spoken(1).view(Audio)
    alive = weakref.ref(pcm)
    stream.push(pcm)
    stream.finish()
    del pcm
    assert alive() is not None
    await hear(stream)
    gc.collect()
    assert alive() is None
    await stream.aclose()
    await session.aclose()


@virtual
async def test_an_utterance_that_is_too_long_to_keep_goes_on_and_fails_with_a_reason(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept_audio, "MAX_KEPT_S", 2)
    first, second = MortalRecognizer("first", Death("iterate", 12)), MortalRecognizer("second")
    check_nothing_lost(await recognize(chain(first, second), speech(range(1, 11))), range(1, 11))
    with pytest.raises(Unavailable, match=r"gone away\. No other recogniser takes over an utterance of more than"):
        await recognize(chain(first, second), speech(range(1, 16)))
    assert second.opened == 0


@virtual
async def test_a_failed_session_with_a_recogniser_is_replaced_and_others_are_kept():
    first, second = MortalRecognizer("first"), MortalRecognizer("second")
    recognizer = chain(first, second)
    async with aclosing(recognizer.connect()) as session:
        async with aclosing(session.open(ANY)) as one, aclosing(session.open(ANY)) as other:
            assert first.sessions == 1
            one.finish()
            other.finish()
            await hear(one)
            await hear(other)
        first.death = Death("iterate")
        async with aclosing(session.open(ANY)) as stream:
            await speak(stream, speech([1, 2]))
            stream.finish()
            await hear(stream)
        await asyncio.sleep(1)
        assert (first.sessions, second.sessions) == (0, 1)
    await all_closed(first, second)


@virtual
async def test_a_long_utterance_is_replayed_in_slices():
    """Other tasks run while a replacement gets minutes of audio."""
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    first, second = MortalRecognizer("first", Death("finish")), MortalRecognizer("second")
    pcm = speech([1 + number % 9 for number in range(600)])
    async with aclosing(chain(first, second).connect()) as session, aclosing(session.open(ANY)) as stream:
        await speak(stream, pcm, live=False)
        counting = asyncio.create_task(count_turns())
        stream.finish()
        await asyncio.sleep(0)
        while not second.opened:
            await asyncio.sleep(0)
        turns = 0
        while stream._current.attempt.is_behind:
            await asyncio.sleep(0)
        assert turns > len(pcm) / FRAME / 100
        counting.cancel()
