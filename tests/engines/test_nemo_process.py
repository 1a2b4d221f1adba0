"""The server's side of NeMo's process, with a fake of it, and the files that it is given. The toolkit is not needed."""

import asyncio
import os
import signal
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_nemo_worker import BREAKS, CANNOT_LOAD, CHUNK, DIES_AT_START, SPEAKS_GERMAN
from tiny_nemo_checks import FILES, PATIENCE_S, final_of, opened

from streamsrv.engines.asr.base import Abilities, RecognitionOptions
from streamsrv.engines.asr.nemo import NemoRecognizer, load
from streamsrv.engines.asr.nemo_toolkit import process as nemo_process
from streamsrv.engines.asr.nemo_toolkit import stream as nemo_stream
from streamsrv.engines.asr.nemo_toolkit.messages import Load
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.errors import Overloaded, Unavailable
from streamsrv.inference.scheduler import Scheduler
from streamsrv.processes import back_off

TINY = ModelEntry("tiny", "recognizer", "nemo", languages=("en",), requires=("nemo",))


@pytest.fixture(autouse=True)
def fake_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setattr(nemo_process, "MODULE", "fake_nemo_worker")
    monkeypatch.setattr(back_off, "FIRST_DELAY_S", 0.01)


@asynccontextmanager
async def started(path: str = "model", streams: int = 4) -> AsyncIterator[NemoRecognizer]:
    process = nemo_process.NemoProcess(Load(path, "cpu", "auto", None, streams), "tiny")
    recognizer = NemoRecognizer(process, Abilities(frozenset({"en"})), "tiny")
    try:
        yield recognizer
    finally:
        await recognizer.aclose()


def speech(chunks: float) -> np.ndarray:
    return np.full(int(chunks * CHUNK), 100, np.int16)


def words(count: int) -> str:
    return " ".join(f"w{number}" for number in range(1, count + 1))


async def test_audio_goes_to_the_process_and_words_come_back():
    async with started() as recognizer:
        await recognizer.warm_up()
        async with opened(recognizer) as stream:
            stream.push(speech(2.5))
            async with asyncio.timeout(PATIENCE_S):
                async for transcript in stream:
                    if transcript.text == "w1 w2":
                        break
            assert (transcript.stable, transcript.tentative, transcript.language) == ("w1", "w2", "en")
            stream.finish()
            final = await final_of(stream)
        assert final.text == words(4)  # the last one is of the silence that completes the step
        assert [word.start_ms for word in final.words][:3] == [0, 160, 320]


async def test_audio_that_comes_before_the_model_is_loaded_waits():
    async with started() as recognizer, opened(recognizer) as stream:
        stream.push(speech(3))
        stream.finish()
        assert (await final_of(stream)).text.startswith(words(3))


async def test_a_process_that_dies_fails_its_streams_and_another_one_is_started():
    async with started() as recognizer:
        await recognizer.warm_up()
        before = recognizer.process.pid
        assert before is not None
        async with opened(recognizer) as stream:
            stream.push(speech(2))
            async with asyncio.timeout(PATIENCE_S):
                await anext(aiter(stream))
                os.kill(before, signal.SIGKILL)
                with pytest.raises(Unavailable, match="The process of tiny has ended; another one starts"):
                    await final_of(stream)
        async with asyncio.timeout(PATIENCE_S):
            while recognizer.process.model is None:
                await asyncio.sleep(0.01)
        assert recognizer.process.pid != before
        async with opened(recognizer) as stream:
            stream.push(speech(2))
            stream.finish()
            assert (await final_of(stream)).text.startswith(words(2))


@pytest.mark.parametrize(
    ("path", "reason"),
    [(CANNOT_LOAD, "ValueError: it is no model"), (DIES_AT_START, "its process has ended")],
)
async def test_a_model_that_cannot_be_loaded_is_unavailable(path: str, reason: str):
    async with started(path) as recognizer:
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(Unavailable, match=f"tiny could not be loaded: {reason}"):
                await recognizer.warm_up()
        async with opened(recognizer) as stream:
            with pytest.raises(Unavailable, match="tiny could not be loaded"):
                await final_of(stream)


async def test_a_stream_that_breaks_is_unavailable():
    async with started(BREAKS) as recognizer, opened(recognizer) as stream:
        stream.push(speech(2))
        with pytest.raises(Unavailable, match="tiny failed: RuntimeError: out of memory"):
            await final_of(stream)


async def test_too_many_utterances_are_refused_and_closed_ones_make_room():
    async with started(streams=2) as recognizer:
        await recognizer.warm_up()
        first, second = (recognizer.connect().open(RecognitionOptions()) for _ in range(2))
        with pytest.raises(Overloaded, match="tiny recognises 2 utterances at once"):
            recognizer.connect().open(RecognitionOptions())
        await first.aclose()
        third = recognizer.connect().open(RecognitionOptions())
        second.push(speech(1))
        second.finish()
        await final_of(second)
        fourth = recognizer.connect().open(RecognitionOptions())
        for stream in (first, second, third, fourth):
            await stream.aclose()
            await stream.aclose()


async def test_a_process_that_is_too_slow_overloads_the_stream(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nemo_stream, "MAX_BACKLOG_MS", 1000)
    async with started() as recognizer, opened(recognizer) as stream:
        stream.push(speech(10))
        with pytest.raises(Overloaded, match="1 s of speech behind"):
            await final_of(stream)


async def test_no_more_than_some_seconds_wait_in_the_process(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nemo_stream, "MAX_SENT_SAMPLES", 2 * CHUNK)
    async with started() as recognizer:
        await recognizer.warm_up()
        sent: list[int] = []
        send = recognizer.process.send
        recognizer.process.send = lambda number, pcm, language: (sent.append(len(pcm)), send(number, pcm, language))[1]  # type: ignore[method-assign]
        async with opened(recognizer) as stream:
            stream.push(speech(9))
            stream.finish()
            assert (await final_of(stream)).text.startswith(words(9))
        assert max(sent) <= 2 * 2 * CHUNK


async def test_long_speech_is_recognised_in_segments(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nemo_stream, "MAX_SEGMENT_SAMPLES", CHUNK)
    async with started() as recognizer, opened(recognizer) as stream, asyncio.timeout(PATIENCE_S):
        stream.push(speech(2))
        stream.push(np.zeros(2 * CHUNK, np.int16), speech=False)
        async for transcript in stream:
            if transcript.at_pause:
                break
        first = len(transcript.text.split())
        assert transcript.text == words(first)
        stream.push(speech(2))
        stream.finish()
        final = await final_of(stream)
    assert final.text.startswith(f"{words(first)} {words(2)}")  # the fake counts anew in each segment
    starts = [word.start_ms for word in final.words]
    assert starts == sorted(starts)


async def test_a_language_that_the_model_was_not_trained_for_is_refused():
    async with started(SPEAKS_GERMAN) as recognizer:
        await recognizer.warm_up()
        async with opened(recognizer, RecognitionOptions(language="en")) as stream:
            with pytest.raises(Unavailable, match="not trained for the language 'en'; accepted: de"):
                await final_of(stream)


async def test_closing_ends_the_process():
    async with started() as recognizer:
        await recognizer.warm_up()
        pid = recognizer.process.pid
        stream = recognizer.connect().open(RecognitionOptions())
        await recognizer.aclose()
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        with pytest.raises(Unavailable, match="tiny is closed"):
            await final_of(stream)


def archive(*names: str) -> Callable[[Path], Any]:
    def write(path: Path) -> None:
        with tarfile.open(path, "w") as file:
            for name in names:
                (path.parent / name).write_text("x")
                file.add(path.parent / name, name)

    return write


def truncated(path: Path) -> None:
    whole = (FILES / "tiny.nemo").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "there is no file"),
        (lambda path: path.write_bytes(b""), "is truncated or no .nemo file"),
        (lambda path: path.write_bytes(b"not found\n" * 999), "is truncated or no .nemo file"),
        (truncated, "is truncated or no .nemo file"),
        (archive("notes.txt"), "it holds no model_config.yaml"),
        (archive("model_config.yaml"), "it holds no .ckpt"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, make: Callable[[Path], Any], reason: str):
    path = tmp_path / "model.nemo"
    make(path)
    with pytest.raises(Unavailable, match=f"tiny could not be loaded: .*{reason}"):
        load(replace(TINY, options={"model": str(path)}), LoadContext(Scheduler(0), {}))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "tiny has no weights: its option `model` must name a .nemo file"),
        ({"model": "x", "device": "tpu"}, "device: 'tpu'"),
        ({"model": "x", "compute_type": "int8"}, "compute_type: 'int8'"),
        ({"model": "x", "right_context": -1}, "right_context"),
        ({"model": "x", "streams": 0}, "streams: 0"),
        ({"folder": "x"}, "'folder' is not an option"),
    ],
)
def test_wrong_options_are_explained(options: dict[str, Any], reason: str):
    with pytest.raises(Unavailable, match=reason):
        load_engine(replace(TINY, options=options), LoadContext(Scheduler(0), {}))
