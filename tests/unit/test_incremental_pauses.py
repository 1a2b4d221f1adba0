"""A partial decode gives way to a pause: what was said before it is wanted at once. With a fake decoder."""

import asyncio
from contextlib import aclosing

import pytest

from fake_decoder import FakeDecoder, entered, let_tasks_run, silence, spoken
from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.engines.asr.windows.incremental import IncrementalRecognizer, IncrementalStream, ThreadedDecoder
from streamsrv.inference.scheduler import Scheduler


@pytest.fixture
def scheduler():
    scheduler = Scheduler(1)
    yield scheduler
    scheduler.close()


@pytest.fixture
def decoder():
    """It stops when its result is no longer wanted."""
    decoder = FakeDecoder(stops=True)
    decoder.gate.clear()
    yield decoder
    decoder.gate.set()


def open_stream(decoder: FakeDecoder, scheduler: Scheduler) -> "aclosing[IncrementalStream]":
    recognizer = IncrementalRecognizer(ThreadedDecoder(decoder, scheduler), "fake")
    return aclosing(recognizer.open(RecognitionOptions()))


async def pause_during_a_decode(stream: IncrementalStream, decoder: FakeDecoder) -> None:
    """Say "w1 w2" and pause, while "w1" is decoded."""
    stream.push(spoken(1, 640), speech=True)
    await entered(decoder)
    stream.push(spoken(2), speech=True)
    stream.push(silence(96), speech=False)


async def test_a_partial_decode_gives_way_to_a_pause(decoder, scheduler):
    async with open_stream(decoder, scheduler) as stream:
        await pause_during_a_decode(stream, decoder)
        await entered(decoder)  # the first decode is still held back
        decoder.gate.set()
        assert (await anext(stream)).text == "w1 w2"
    assert decoder.heard == ["w1 w2"]


async def test_a_partial_decode_of_all_words_is_not_stopped_by_the_pause(decoder, scheduler):
    async with open_stream(decoder, scheduler) as stream:
        stream.push(spoken(1, 640), speech=True)
        await entered(decoder)
        stream.push(silence(96), speech=False)
        decoder.gate.set()
        assert (await anext(stream)).text == "w1"
    assert decoder.heard[0] == "w1"


async def test_who_pauses_often_gets_partial_transcripts_too(decoder, scheduler):
    async with open_stream(decoder, scheduler) as stream:
        stream.push(spoken(1, 640), speech=True)
        await entered(decoder)
        for number in (2, 3):
            stream.push(spoken(number, 640), speech=True)
            stream.push(silence(96), speech=False)
            await let_tasks_run()
        await entered(decoder)
        decoder.gate.set()
        assert (await anext(stream)).text == "w1 w2"


async def test_a_decoder_that_cannot_stop_is_waited_for(decoder, scheduler):
    decoder.stops = False
    async with open_stream(decoder, scheduler) as stream:
        await pause_during_a_decode(stream, decoder)
        await let_tasks_run()
        decoder.gate.set()
        assert (await anext(stream)).text == "w1"


async def test_a_stream_may_finish_while_its_decode_gives_way(decoder, scheduler):
    async with open_stream(decoder, scheduler) as stream:
        await pause_during_a_decode(stream, decoder)
        await asyncio.sleep(0)  # the wait is ending, and the stream's task has not run
        stream.finish()
        decoder.gate.set()
        *_, final = [transcript async for transcript in stream]
        assert (final.stable, final.is_final) == ("w1 w2", True)


@pytest.mark.parametrize("pause_ms", [0, 32])
async def test_another_decode_follows_when_the_pause_was_over_before_it_could_begin(decoder, scheduler, pause_ms):
    async with open_stream(decoder, scheduler) as stream:
        await pause_during_a_decode(stream, decoder)
        stream.push(spoken(3, 96), speech=True)  # at once: the task of the stream has not run since the pause
        stream.push(silence(pause_ms), speech=False)
        decoder.gate.set()
        async with asyncio.timeout(30):
            assert (await anext(stream)).text == "w1 w2 w3"
