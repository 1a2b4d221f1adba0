"""Streaming over a decoder of whole windows: its life on the event loop, with a fake decoder."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fake_decoder import WORD_MS, FakeDecoder, entered, let_tasks_run, silence, spoken, text
from streamsrv.engines.asr import decoding_stream
from streamsrv.engines.asr.base import RecognitionOptions, Transcript, Word
from streamsrv.engines.asr.windows.incremental import (
    Hypothesis,
    IncrementalRecognizer,
    IncrementalStream,
    ThreadedDecoder,
)
from streamsrv.engines.asr.windows.utterance import estimate_words
from streamsrv.engines.asr.windows.window import Span
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable
from streamsrv.inference.scheduler import Priority, Scheduler


@pytest.fixture
def decoder():
    decoder = FakeDecoder()
    yield decoder
    decoder.gate.set()


@pytest.fixture
def scheduler():
    scheduler = Scheduler(1)
    yield scheduler
    scheduler.close()


@pytest.fixture
def recognizer(decoder: FakeDecoder, scheduler: Scheduler) -> IncrementalRecognizer:
    return IncrementalRecognizer(ThreadedDecoder(decoder, scheduler), "fake")


def open_stream(recognizer: IncrementalRecognizer) -> "aclosing[IncrementalStream]":
    return aclosing(recognizer.open(RecognitionOptions()))


async def transcripts_of(stream: IncrementalStream) -> list[Transcript]:
    return [transcript async for transcript in stream]


async def final_of(stream: IncrementalStream) -> str:
    *_, final = await transcripts_of(stream)
    assert final.is_final
    return final.stable


async def test_partial_then_final(recognizer, decoder):
    async with open_stream(recognizer) as stream:
        stream.push(np.concatenate([spoken(1), spoken(2)]), speech=True)
        assert await anext(stream) == Transcript("", "w1 w2", language="xx")
        stream.push(spoken(3), speech=True)
        stream.finish()
        assert await final_of(stream) == "w1 w2 w3"
    assert decoder.heard == ["w1 w2", "w1 w2 w3"]


async def test_finish_after_a_pause_needs_no_further_decode(recognizer, decoder):
    async with open_stream(recognizer) as stream:
        stream.push(spoken(1), speech=True)
        stream.push(silence(128), speech=False)
        assert (await anext(stream)).text == "w1"
        stream.push(silence(1000), speech=False)
        decoder.gate.clear()
        stream.finish()
        assert await final_of(stream) == "w1"
    assert len(decoder.heard) == 1


async def test_nothing_said_is_an_empty_final_without_a_decode(recognizer, decoder):
    async with open_stream(recognizer) as stream:
        stream.push(silence(3000), speech=False)
        stream.finish()
        assert await transcripts_of(stream) == [Transcript("", is_final=True, at_pause=True)]
    assert decoder.heard == []


async def test_a_running_decode_that_has_all_speech_is_used_for_the_final(recognizer, decoder):
    decoder.gate.clear()
    async with open_stream(recognizer) as stream:
        stream.push(spoken(1, 640), speech=True)
        await entered(decoder)
        stream.finish()
        decoder.gate.set()
        assert await final_of(stream) == "w1"
    assert decoder.heard == ["w1"]


async def test_a_running_decode_that_lacks_speech_is_not_waited_for(decoder):
    scheduler = Scheduler(2)
    recognizer = IncrementalRecognizer(ThreadedDecoder(decoder, scheduler), "fake")
    decoder.gate.clear()
    async with open_stream(recognizer) as stream:
        stream.push(spoken(1, 640), speech=True)
        await entered(decoder)
        stream.push(spoken(2), speech=True)
        stream.finish()
        await entered(decoder)
        decoder.gate.set()
        assert await final_of(stream) == "w1 w2"
    scheduler.close()


async def test_the_final_of_one_stream_overtakes_waiting_partials_of_others(recognizer, decoder, scheduler):
    decoder.gate.clear()
    async with open_stream(recognizer) as busy, open_stream(recognizer) as other, open_stream(recognizer) as ending:
        busy.push(spoken(1, 640), speech=True)
        await entered(decoder)
        other.push(spoken(2, 640), speech=True)
        await let_tasks_run()
        ending.push(spoken(3, 640), speech=True)
        await let_tasks_run()
        ending.finish()
        await let_tasks_run()
        decoder.gate.set()
        assert await final_of(ending) == "w3"
        await anext(other)
    assert decoder.heard == ["w1", "w3", "w2"]


async def test_finishing_twice_does_not_lose_the_place_in_the_queue(recognizer, decoder):
    decoder.gate.clear()
    async with open_stream(recognizer) as busy, open_stream(recognizer) as first, open_stream(recognizer) as second:
        busy.push(spoken(1, 640), speech=True)
        await entered(decoder)
        for number, stream in enumerate((first, second, first), start=2):
            stream.push(spoken(number), speech=True)
            stream.finish()
            await let_tasks_run()
        decoder.gate.set()
        assert [await final_of(first), await final_of(second)] == ["w2", "w3"]
    assert decoder.heard == ["w1", "w2", "w3"]


async def test_decodes_that_could_not_begin_are_joined_into_one(recognizer, decoder):
    decoder.gate.clear()
    async with open_stream(recognizer) as stream:
        stream.push(spoken(1, 640), speech=True)
        await entered(decoder)
        for number in range(2, 8):
            stream.push(spoken(number, 640), speech=True)
        decoder.gate.set()
        while (await anext(stream)).text != text(1, 7):
            pass
    assert decoder.heard == ["w1", text(1, 7)]


async def test_a_newer_transcript_replaces_one_that_was_not_read(recognizer, scheduler):
    async with open_stream(recognizer) as stream:
        for number in range(1, 4):
            stream.push(spoken(number, 640), speech=True)
            await let_tasks_run()
            await scheduler.run(Priority.PARTIAL, lambda: None)  # behind the stream's own decode
            await let_tasks_run()
        assert (await anext(stream)).text == "w1 w2 w3"


@pytest.mark.parametrize(
    ("error", "expected"),
    [(RuntimeError("broken"), Unavailable), (Rejected("no"), Rejected), (TimeoutError(), Unavailable)],
)
async def test_errors_of_the_decoder_reach_the_reader(scheduler, error, expected):
    async with open_stream(IncrementalRecognizer(ThreadedDecoder(FakeDecoder(error), scheduler), "fake")) as stream:
        stream.push(spoken(1, 640), speech=True)
        with pytest.raises(EngineError) as caught:
            await anext(stream)
        assert type(caught.value) is expected
        assert await transcripts_of(stream) == []


class BusyScheduler(Scheduler):
    """A fake that has no room for partial results."""

    async def run(self, priority, call):
        if priority is Priority.PARTIAL:
            raise Overloaded("full")
        return await super().run(priority, call)


async def test_partials_are_shed_when_the_queue_is_full_and_the_final_is_not(decoder):
    scheduler = BusyScheduler(1)
    async with open_stream(IncrementalRecognizer(ThreadedDecoder(decoder, scheduler), "fake")) as stream:
        for number in range(1, 9):
            stream.push(spoken(number), speech=True)
            await asyncio.sleep(0)
        stream.finish()
        assert await transcripts_of(stream) == [
            Transcript(text(1, 8), words=stream_words(8), language="xx", is_final=True, at_pause=True)
        ]
    scheduler.close()


def stream_words(count: int) -> tuple[Word, ...]:
    return estimate_words(text(1, count).split(), [Span(0, count * WORD_MS)])


async def test_a_final_that_finds_no_place_is_an_error(decoder):
    scheduler = Scheduler(1, queue_limit=0)
    async with open_stream(IncrementalRecognizer(ThreadedDecoder(decoder, scheduler), "fake")) as stream:
        stream.push(spoken(1), speech=True)
        stream.finish()
        with pytest.raises(Overloaded):
            await anext(stream)
    scheduler.close()


async def test_a_stream_that_falls_too_far_behind_fails(recognizer, decoder, monkeypatch):
    monkeypatch.setattr(decoding_stream, "MAX_BACKLOG_MS", 20_000)
    decoder.gate.clear()
    async with open_stream(recognizer) as stream:
        for _ in range(21):
            stream.push(spoken(1, 1000), speech=True)
        with pytest.raises(Overloaded):
            await anext(stream)
        assert await transcripts_of(stream) == []


async def test_closing_ends_the_iteration_and_leaves_no_task_and_no_job(recognizer, decoder, scheduler):
    before = asyncio.all_tasks()
    decoder.gate.clear()
    busy, waiting = recognizer.open(RecognitionOptions()), recognizer.open(RecognitionOptions())
    busy.push(spoken(1, 640), speech=True)
    await entered(decoder)
    waiting.push(spoken(2, 640), speech=True)
    reader = asyncio.ensure_future(transcripts_of(waiting))
    await let_tasks_run()
    await waiting.aclose()
    await busy.aclose()
    assert await reader == []
    await waiting.aclose()
    assert asyncio.all_tasks() == before
    decoder.gate.set()
    await scheduler.run(Priority.PARTIAL, lambda: None)
    assert decoder.heard == ["w1"]


async def test_a_closed_stream_gives_nothing_more(recognizer):
    stream = recognizer.open(RecognitionOptions())
    stream.push(spoken(1), speech=True)
    stream.finish()
    await stream.aclose()
    assert await transcripts_of(stream) == []
    ended = recognizer.open(RecognitionOptions())
    ended.finish()
    await let_tasks_run()
    await ended.aclose()
    assert await transcripts_of(ended) == []


async def test_audio_after_the_end_is_ignored(recognizer, decoder):
    async with open_stream(recognizer) as stream:
        stream.push(spoken(1), speech=True)
        stream.finish()
        stream.push(spoken(2, 2000), speech=True)
        stream.finish()
        assert await final_of(stream) == "w1"
        stream.push(spoken(3, 2000), speech=True)
        stream.finish()
    assert decoder.heard == ["w1"]


async def test_a_head_being_decoded_when_the_speech_ends_is_kept(recognizer, decoder):
    decoder.gate.clear()
    async with open_stream(recognizer) as stream:
        for number in range(1, 41):
            stream.push(spoken(number), speech=True)
        await entered(decoder)
        stream.finish()
        decoder.gate.set()
        heard = (await final_of(stream)).split()
    assert list(dict.fromkeys(heard)) == text(1, 40).split()
    assert len(decoder.heard) == 2


async def test_options_reach_the_decoder_and_warm_up_decodes(recognizer, decoder):
    await recognizer.warm_up()
    options = RecognitionOptions(language="de", prompt="Grüße")
    async with aclosing(recognizer.open(options)) as stream:
        stream.push(spoken(1), speech=True)
        stream.finish()
        await final_of(stream)
    assert decoder.options == [RecognitionOptions(), options]


class Polyglot(FakeDecoder):
    """Detects another language in each window, and is certain from the third one on."""

    def decode(
        self, samples: NDArray[np.float32], options: RecognitionOptions, is_abandoned: Callable[[], bool]
    ) -> Hypothesis:
        heard = super().decode(samples, options, is_abandoned)
        count = len(self.options)
        return replace(heard, language=options.language or f"l{count}", is_sure_of_language=count >= 3)


async def test_a_language_that_was_detected_with_certainty_holds_for_the_rest_of_the_utterance(scheduler):
    decoder = Polyglot()
    recognizer = IncrementalRecognizer(ThreadedDecoder(decoder, scheduler), "polyglot")
    languages: list[str | None] = []
    for _ in range(2):
        async with open_stream(recognizer) as stream:
            for number in range(1, 5):
                stream.push(spoken(number, 960), speech=True)
                stream.push(silence(96), speech=False)
                languages.append((await anext(stream)).language)
    assert languages == ["l1", "l2", "l3", "l3", "l5", "l5", "l5", "l5"]
    assert [options.language for options in decoder.options] == [None, None, None, "l3", None, "l5", "l5", "l5"]


class LoopGuarded(FakeDecoder):
    """Like real decoders, takes a word that it hears again after a pause for a loop of its own."""

    def decode(
        self, samples: NDArray[np.float32], options: RecognitionOptions, is_abandoned: Callable[[], bool]
    ) -> Hypothesis:
        heard = super().decode(samples, options, is_abandoned)
        begins = np.flatnonzero(np.diff(np.r_[0, samples > 0]) > 0)
        return replace(heard, is_cut=len(begins) > len(heard.text.split()))


@pytest.mark.parametrize("rounds", [2, 5])
async def test_what_is_said_again_after_a_pause_is_no_loop(scheduler, rounds):
    recognizer = IncrementalRecognizer(ThreadedDecoder(LoopGuarded(), scheduler), "guarded")
    async with open_stream(recognizer) as stream:
        for _ in range(rounds):
            stream.push(spoken(7, 960), speech=True)
            stream.push(silence(320), speech=False)
        stream.finish()
        assert await final_of(stream) == " ".join(["w7"] * rounds)


async def test_a_loop_without_a_pause_stays_cut(scheduler):
    recognizer = IncrementalRecognizer(ThreadedDecoder(LoopGuarded(), scheduler), "guarded")
    async with open_stream(recognizer) as stream:
        for _ in range(5):
            stream.push(spoken(7, 960), speech=True)
            stream.push(silence(32), speech=False)
        stream.finish()
        assert await final_of(stream) == "w7"
