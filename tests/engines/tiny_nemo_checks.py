"""What both NeMo engines must do, tried with a tiny model that has learnt the words of four recordings by heart.

`make_tiny_nemo.py` trains it; its files are in `tiny_nemo/`. It knows nothing else; real weights may differ.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing
from itertools import cycle, pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import RecognitionOptions, RecognitionStream, Recognizer, Transcript

FILES = Path(__file__).parent / "tiny_nemo"
FIXTURES = Path(__file__).parents[2] / "fixtures"
TEXTS = {
    "is_the_front_door_locked": "is the front door locked",
    "is_the_garage_door_open": "is the garage door open",
    "lock_the_front_door": "lock the front door",
    "block_books": "produced the block books which were the immediate predecessors of the true printed book",
}
LOCKED, OPEN, LOCK, BOOKS = TEXTS
FRAME = 512
PATIENCE_S = 120


def spoken(*names: str, pause_s: float = 1.0) -> NDArray[np.int16]:
    """The recordings, each with a pause after it."""
    pause = np.zeros(int(pause_s * SPEECH_RATE_HZ), np.int16)
    return np.concatenate(
        [part for name in names for part in (read_audio(FIXTURES / f"{name}.flac", SPEECH_RATE_HZ), pause)]
    )


def opened(recognizer: Recognizer, options: RecognitionOptions | None = None) -> "aclosing[RecognitionStream]":
    return aclosing(recognizer.connect().open(options or RecognitionOptions(language="en")))


def frames(pcm: NDArray[np.int16], sizes: tuple[int, ...] = (FRAME,)) -> Iterator[NDArray[np.int16]]:
    start = 0
    for size in cycle(sizes):
        if start >= len(pcm):
            return
        yield pcm[start : start + size]
        start += size


async def push_all(stream: RecognitionStream, pcm: NDArray[np.int16], sizes: tuple[int, ...] = (FRAME,)) -> None:
    """Push frames; digital silence counts as silence."""
    for frame in frames(pcm, sizes):
        stream.push(frame, speech=bool(frame.any()))
        await asyncio.sleep(0)


async def final_of(stream: RecognitionStream) -> Transcript:
    async with asyncio.timeout(PATIENCE_S):
        *_, final = [transcript async for transcript in stream]
    assert final.is_final
    return final


async def heard(recognizer: Recognizer, pcm: NDArray[np.int16], sizes: tuple[int, ...] = (FRAME,)) -> Transcript:
    async with opened(recognizer) as stream:
        await push_all(stream, pcm, sizes)
        stream.finish()
        return await final_of(stream)


class RecognizerChecks:
    """Tests of a recogniser with the tiny model."""

    @pytest.mark.parametrize("name", TEXTS)
    async def test_the_words_of_a_recording(self, recognizer: Recognizer, name: str):
        assert (await heard(recognizer, spoken(name))).text == TEXTS[name]

    async def test_speech_pushed_all_at_once(self, recognizer: Recognizer):
        async with opened(recognizer) as stream:
            stream.push(spoken(LOCKED))
            stream.finish()
            assert (await final_of(stream)).text == TEXTS[LOCKED]

    async def test_frames_of_any_size_give_the_same_text(self, recognizer: Recognizer):
        pcm = spoken(BOOKS)
        for sizes in ((1600,), (1, 37, 0, 511, 1600, 160, 4801), (16_000,)):
            assert (await heard(recognizer, pcm, sizes)).text == TEXTS[BOOKS]

    @pytest.mark.parametrize("seconds", [0, 3])
    async def test_silence_is_no_text(self, recognizer: Recognizer, seconds: int):
        final = await heard(recognizer, np.zeros(seconds * SPEECH_RATE_HZ, np.int16))
        assert (final.text, final.words) == ("", ())

    async def test_silence_that_counts_as_speech_is_no_text(self, recognizer: Recognizer):
        async with opened(recognizer) as stream:
            stream.push(np.zeros(3 * SPEECH_RATE_HZ, np.int16), speech=True)
            stream.finish()
            assert (await final_of(stream)).text == ""

    async def test_streams_at_once_do_not_mix(self, recognizer: Recognizer):
        async def alone(name: str) -> str:
            return (await heard(recognizer, spoken(name))).text

        texts = await asyncio.gather(*(alone(name) for name in [*TEXTS, *TEXTS]))
        assert texts == [*TEXTS.values(), *TEXTS.values()]

    async def test_times_of_words_are_in_order_and_inside_the_audio(self, recognizer: Recognizer):
        pcm = np.concatenate([np.zeros(2 * SPEECH_RATE_HZ, np.int16), spoken(LOCKED, OPEN, pause_s=2)])
        words = (await heard(recognizer, pcm)).words
        assert " ".join(word.text for word in words) == f"{TEXTS[LOCKED]} {TEXTS[OPEN]}"
        times = [ms for word in words for ms in (word.start_ms, word.end_ms)]
        assert times == sorted(times)
        assert all(0 <= ms <= len(pcm) / 16 for ms in times)
        assert 1600 <= words[0].start_ms <= 4600
        assert words[5].start_ms >= 6000  # the second recording begins at 6.6 s

    async def test_the_language_is_that_of_the_model(self, recognizer: Recognizer):
        assert recognizer.abilities.languages == {"en"}
        async with opened(recognizer, RecognitionOptions()) as stream:
            stream.push(spoken(LOCK))
            stream.finish()
            final = await final_of(stream)
        assert (final.text, final.language) == (TEXTS[LOCK], "en")

    async def test_closing_in_the_middle_of_speech_leaves_nothing_behind(self, recognizer: Recognizer):
        tasks, threads = asyncio.all_tasks(), threading.active_count()
        async with opened(recognizer) as stream, asyncio.timeout(PATIENCE_S):
            await push_all(stream, spoken(BOOKS))
            await anext(aiter(stream))
            await push_all(stream, spoken(BOOKS))
        await stream.aclose()
        stream.push(spoken(LOCK))
        stream.finish()
        assert [transcript async for transcript in stream] == []
        assert asyncio.all_tasks() == tasks
        assert threading.active_count() <= threads
        assert (await heard(recognizer, spoken(LOCK))).text == TEXTS[LOCK]

    async def test_closing_ends_a_pending_read(self, recognizer: Recognizer):
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            async with opened(recognizer) as stream:
                reading = tasks.create_task(anext(aiter(stream), None))
                await asyncio.sleep(0)
            assert await reading is None

    async def test_warm_up_can_be_repeated(self, recognizer: Recognizer):
        await recognizer.warm_up()
        await recognizer.warm_up()


class StreamingChecks(RecognizerChecks):
    """Tests of a recogniser that streams natively with the tiny model."""

    async def test_stable_text_only_grows(self, recognizer: Recognizer):
        partial: list[Transcript] = []
        async with opened(recognizer) as stream, asyncio.timeout(PATIENCE_S):
            for piece in frames(spoken(BOOKS), (24_000,)):
                await push_all(stream, piece)
                if len(partial) < 3:  # each of the first pieces has words
                    partial.append(await anext(aiter(stream)))
            stream.finish()
            final = await final_of(stream)
        assert all(after.stable.startswith(before.stable) for before, after in pairwise(partial))
        assert not any(transcript.is_final for transcript in partial)
        assert any(transcript.tentative for transcript in partial)
        assert (final.text, final.tentative) == (TEXTS[BOOKS], "")
        assert final.text.startswith(partial[-1].stable)

    async def test_all_words_are_there_at_a_pause_without_more_audio(self, recognizer: Recognizer):
        async with opened(recognizer) as stream, asyncio.timeout(PATIENCE_S):
            await push_all(stream, spoken(LOCKED, pause_s=0.3))
            async for transcript in stream:
                if transcript.at_pause:
                    break
            assert transcript.text == TEXTS[LOCKED]
            await push_all(stream, spoken(OPEN, pause_s=0.3))
            async for transcript in stream:
                if transcript.at_pause:
                    break
            assert transcript.text == f"{TEXTS[LOCKED]} {TEXTS[OPEN]}"
            stream.finish()
            assert (await final_of(stream)).text == f"{TEXTS[LOCKED]} {TEXTS[OPEN]}"

    async def test_long_silences_cost_nothing_and_change_nothing(self, recognizer: Recognizer):
        final = await heard(recognizer, spoken(LOCKED, OPEN, LOCK, pause_s=20))
        assert final.text == " ".join(TEXTS[name] for name in (LOCKED, OPEN, LOCK))
        assert final.words[-1].start_ms > 44_000
