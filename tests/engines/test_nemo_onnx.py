"""NeMo's models on sherpa-onnx, with a tiny model that has learnt four recordings by heart: `tiny_nemo_checks.py`."""

import asyncio
import gc
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sherpa_onnx", reason="needs streamsrv[nemo-onnx]")

from tiny_nemo_checks import (
    BOOKS,
    FILES,
    LOCK,
    LOCKED,
    OPEN,
    PATIENCE_S,
    TEXTS,
    RecognizerChecks,
    StreamingChecks,
    final_of,
    heard,
    opened,
    push_all,
    spoken,
)

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr import decoding_stream
from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.engines.asr.nemo_onnx import load
from streamsrv.engines.asr.sherpa import streaming as sherpa_streaming
from streamsrv.engines.asr.sherpa.streaming import SherpaStreamingRecognizer, Step
from streamsrv.engines.asr.windows.incremental import IncrementalRecognizer
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.errors import Overloaded, Unavailable
from streamsrv.inference.scheduler import Priority, Scheduler

STREAMING, OFFLINE = FILES / "streaming", FILES / "offline"
TINY = ModelEntry("tiny", "recognizer", "nemo_onnx", languages=("en",), requires=("sherpa_onnx",))


@pytest.fixture(scope="module")
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler(2)
    yield scheduler
    scheduler.close()


def loaded(scheduler: Scheduler, folder: Path, **options: Any) -> Any:
    return load(replace(TINY, options={"folder": str(folder), **options}), LoadContext(scheduler, {}))


@pytest.fixture(scope="module")
def recognizer(scheduler: Scheduler) -> SherpaStreamingRecognizer:
    return loaded(scheduler, STREAMING)


class TestStreaming(StreamingChecks):
    """The streaming export."""


class TestBeamSearch(StreamingChecks):
    """The streaming export with beam search, whose tokens may be revised."""

    @pytest.fixture
    def recognizer(self, scheduler: Scheduler) -> SherpaStreamingRecognizer:
        return loaded(scheduler, STREAMING, decoding="modified_beam_search")


class TestWindows(RecognizerChecks):
    """The export without streaming, in windows."""

    @pytest.fixture
    def recognizer(self, scheduler: Scheduler) -> IncrementalRecognizer:
        return loaded(scheduler, OFFLINE)


async def test_logprobs_are_given_if_they_are_asked_for(recognizer: SherpaStreamingRecognizer):
    assert recognizer.abilities.logprobs
    async with opened(recognizer, RecognitionOptions(logprobs=True)) as stream:
        stream.push(spoken(LOCK))
        stream.finish()
        final = await final_of(stream)
    assert "".join(each.token for each in final.logprobs).split() == TEXTS[LOCK].split()
    assert all(each.logprob <= 0 for each in final.logprobs)
    assert all(word.confidence is not None and 0 < word.confidence <= 1 for word in final.words)
    assert (await heard(recognizer, spoken(LOCK))).logprobs == ()


async def test_keywords_are_likelier_with_beam_search(scheduler: Scheduler):
    plain = loaded(scheduler, STREAMING)
    assert not plain.abilities.keywords
    beam = loaded(scheduler, STREAMING, decoding="modified_beam_search", keyword_score=12.0)
    assert beam.abilities.keywords
    async with opened(beam, RecognitionOptions(keywords=("printed", "true book"))) as stream:
        stream.push(spoken(LOCKED))
        stream.finish()
        assert {"printed", "true", "book"} & set((await final_of(stream)).text.split())
    assert (await heard(beam, spoken(LOCKED))).text == TEXTS[LOCKED]


async def test_streams_share_batches(recognizer: SherpaStreamingRecognizer, monkeypatch: pytest.MonkeyPatch):
    sizes: list[int] = []
    native = recognizer.model.native

    def decode_streams(streams: list[Any]) -> None:
        sizes.append(len(streams))
        type(native).decode_streams(native, streams)

    monkeypatch.setattr(native, "decode_streams", decode_streams)
    finals = await asyncio.gather(*(heard(recognizer, spoken(LOCKED)) for _ in range(8)))
    assert {final.text for final in finals} == {TEXTS[LOCKED]}
    assert max(sizes) > 1


async def test_a_failed_batch_fails_its_streams_and_no_others(
    recognizer: SherpaStreamingRecognizer, monkeypatch: pytest.MonkeyPatch
):
    def broken(streams: list[Any]) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(recognizer.model.native, "decode_streams", broken)
        with pytest.raises(Unavailable, match="tiny failed: out of memory"):
            await heard(recognizer, spoken(LOCKED))
    assert (await heard(recognizer, spoken(LOCKED))).text == TEXTS[LOCKED]


async def test_a_step_that_was_shed_is_decoded_later(
    recognizer: SherpaStreamingRecognizer, monkeypatch: pytest.MonkeyPatch
):
    shed: list[Step] = []
    decode = recognizer.decode

    async def full(priority: Priority, step: Step) -> Any:
        if len(shed) < 5:
            shed.append(step)
            raise Overloaded("The inference queue is full.")
        return await decode(priority, step)

    monkeypatch.setattr(recognizer, "decode", full)
    async with opened(recognizer) as stream:
        for frame in np.array_split(spoken(LOCKED), 30):
            stream.push(frame, speech=bool(frame.any()))
            await asyncio.sleep(0.001)
        assert len(shed) == 5
        stream.finish()
        assert (await final_of(stream)).text == TEXTS[LOCKED]


async def test_a_full_queue_at_the_end_is_an_error(
    recognizer: SherpaStreamingRecognizer, monkeypatch: pytest.MonkeyPatch
):
    async def full(priority: Priority, step: Step) -> Any:
        raise Overloaded("The inference queue is full.")

    monkeypatch.setattr(recognizer, "decode", full)
    with pytest.raises(Overloaded, match="queue is full"):
        await heard(recognizer, spoken(LOCK))


async def test_the_end_makes_a_waiting_step_urgent():
    scheduler = Scheduler(1)
    recognizer = loaded(scheduler, STREAMING)
    priorities: list[Priority] = []
    decode = recognizer.decode

    async def noted(priority: Priority, step: Step) -> Any:
        priorities.append(priority)
        return await decode(priority, step)

    recognizer.decode = noted
    release = threading.Event()
    blocking = asyncio.ensure_future(scheduler.run(Priority.FINAL, release.wait))
    async with opened(recognizer) as stream:
        await push_all(stream, spoken(LOCK, pause_s=0))
        while not priorities:
            await asyncio.sleep(0)
        stream.finish()
        for _ in range(10):
            await asyncio.sleep(0.01)
        assert priorities[:2] == [Priority.PARTIAL, Priority.FINAL]
        release.set()
        assert (await final_of(stream)).text == TEXTS[LOCK]
    await blocking
    scheduler.close()


async def test_a_decoder_that_is_too_slow_overloads_the_stream(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decoding_stream, "MAX_BACKLOG_MS", 3000)
    scheduler = Scheduler(0)
    async with opened(loaded(scheduler, STREAMING)) as stream:
        stream.push(spoken(BOOKS, BOOKS))
        with pytest.raises(Overloaded, match="tiny is 3 s of speech behind"):
            await final_of(stream)
    scheduler.close()


async def test_long_speech_is_recognised_in_segments(
    recognizer: SherpaStreamingRecognizer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sherpa_streaming, "MAX_SEGMENT_SAMPLES", SPEECH_RATE_HZ)
    names = [LOCKED, BOOKS, OPEN, LOCK, BOOKS]
    pcm = spoken(*names)
    async with opened(recognizer) as stream, asyncio.timeout(PATIENCE_S):
        segments = {id(stream._segment)}  # type: ignore[attr-defined]
        for name in names:
            await push_all(stream, spoken(name))
            async for transcript in stream:
                segments.add(id(stream._segment))  # type: ignore[attr-defined]
                if transcript.at_pause:
                    break
        stream.finish()
        final = await final_of(stream)
    assert len(segments) > 2
    assert final.text == " ".join(TEXTS[name] for name in names)
    assert final.words[-1].end_ms <= len(pcm) / 16
    assert final.words[-1].start_ms > (len(pcm) - len(spoken(BOOKS))) / 16


async def test_a_closed_recogniser_fails_its_streams(scheduler: Scheduler):
    recognizer = loaded(scheduler, STREAMING)
    await recognizer.aclose()
    with pytest.raises(Unavailable, match="tiny failed: the recogniser is closed"):
        await heard(recognizer, spoken(LOCK))


async def test_a_closed_recogniser_frees_its_model():
    scheduler = Scheduler(1)
    recognizer = loaded(scheduler, STREAMING)
    assert (await heard(recognizer, spoken(LOCK))).text == TEXTS[LOCK]
    model = weakref.ref(recognizer.model.native)
    await recognizer.aclose()
    del recognizer
    await scheduler.run(Priority.FINAL, lambda: None)  # the thread still held its last job
    gc.collect()
    assert model() is None
    scheduler.close()


def half(name: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_bytes(
        (folder / name).read_bytes()[: (folder / name).stat().st_size // 2]
    )


def without(name: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).unlink()


def holding(name: str, content: bytes) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_bytes(content)


def lines(change: Callable[[list[str]], list[str]]) -> Callable[[Path], Any]:
    def apply(folder: Path) -> None:
        tokens = folder / "tokens.txt"
        tokens.write_text("".join(change(tokens.read_text().splitlines(keepends=True))))

    return apply


ENCODER, DECODER, JOINER = "encoder.int8.onnx", "decoder.int8.onnx", "joiner.int8.onnx"
DAMAGES = {
    "half an encoder": (half(ENCODER), "encoder.*is truncated or no ONNX file"),
    "half a decoder": (half(DECODER), "decoder.*is truncated or no ONNX file"),
    "half a joiner": (half(JOINER), "joiner.*is truncated or no ONNX file"),
    "an empty encoder": (holding(ENCODER, b""), "encoder.*is truncated or no ONNX file"),
    "a text as decoder": (holding(DECODER, b"not found\n" * 99), "decoder.*no ONNX file"),
    "no encoder": (without(ENCODER), r"neither an encoder\.onnx nor a model\.onnx.*decoder"),
    "no decoder": (without(DECODER), r"no decoder\.onnx among its files"),
    "no joiner": (without(JOINER), r"no joiner\.onnx among its files"),
    "no tokens": (without("tokens.txt"), r"no tokens\.txt among its files"),
    "the decoder as encoder": (
        lambda folder: shutil.copy(folder / DECODER, folder / ENCODER),
        "encoder.*is no model that sherpa-onnx's scripts have exported: vocab_size is missing",
    ),
    "empty tokens": (holding("tokens.txt", b""), r"tokens\.txt has 0 tokens, and .* 65"),
    "half the tokens": (lines(lambda all: all[:32]), r"tokens\.txt has 32 tokens, and .* 65"),
    "tokens without numbers": (lines(lambda all: ["a\n"] * len(all)), r"tokens\.txt is damaged: each line"),
    "binary tokens": (holding("tokens.txt", b"\xff\xfe\x00" * 50), r"tokens\.txt is damaged: each line"),
    "tokens in a wrong count": (lines(lambda all: [*all[:-1], "<blk> 99\n"]), r"are not numbered from 0 to 64"),
    "tokens without a blank one": (lines(lambda all: [*all[:-1], "x 64\n"]), "its last token is 'x'"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_files_are_refused_and_do_not_end_the_process(scheduler: Scheduler, tmp_path: Path, name: str):
    change, reason = DAMAGES[name]
    folder = shutil.copytree(STREAMING, tmp_path / "model")
    change(folder)
    entry = replace(TINY, options={"folder": str(folder)})
    with pytest.raises(Unavailable, match=f"tiny could not be loaded: .*{reason}"):
        load_engine(entry, LoadContext(scheduler, {}))


async def test_parts_of_different_models_are_found_when_it_is_warmed_up(scheduler: Scheduler, tmp_path: Path):
    folder = shutil.copytree(STREAMING, tmp_path / "model")
    shutil.copy(folder / DECODER, folder / JOINER)
    with pytest.raises(Unavailable, match=r"tiny (failed|could not be loaded): "):
        await load_engine(replace(TINY, options={"folder": str(folder)}), LoadContext(scheduler, {})).warm_up()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "tiny has no weights: its option `folder` must name a folder"),
        ({"folder": "/nowhere"}, "its option `folder`: there is no folder /nowhere"),
        ({"folder": str(STREAMING), "decoding": "beam"}, "decoding: 'beam'.*modified_beam_search"),
        ({"folder": str(STREAMING), "beams": 0}, "beams: 0"),
        ({"folder": str(STREAMING), "treads": 2}, "'treads' is not an option; did you mean threads"),
    ],
)
def test_wrong_options_are_explained(scheduler: Scheduler, options: dict[str, Any], reason: str):
    with pytest.raises(Unavailable, match=reason):
        load_engine(replace(TINY, options=options), LoadContext(scheduler, {}))


async def test_a_model_of_many_languages_is_told_the_language(scheduler: Scheduler, tmp_path: Path):
    """The tiny encoder gets the input of such models, which it does not use."""
    onnx = pytest.importorskip("onnx", reason="needs streamsrv[convert]")
    folder = shutil.copytree(STREAMING, tmp_path / "model")
    model = onnx.load(folder / ENCODER)
    batch = onnx.helper.make_tensor_value_info("prompt_index", onnx.TensorProto.INT64, ["batch"])
    model.graph.input.append(batch)
    onnx.helper.set_model_props(
        model,
        {each.key: each.value for each in model.metadata_props}
        | {"prompt_dictionary": '{"auto": 101, "en-US": 0, "de-DE": 1, "ja": 2}', "auto_prompt_id": "101"},
    )
    onnx.save(model, folder / ENCODER)
    entry = replace(TINY, languages=(), options={"folder": str(folder)})
    recognizer = load(entry, LoadContext(scheduler, {}))
    assert recognizer.abilities.languages == {"en", "de", "ja"}
    for language in (None, "de"):
        async with opened(recognizer, RecognitionOptions(language=language)) as stream:
            stream.push(spoken(LOCK))
            stream.finish()
            final = await final_of(stream)
        assert (final.text, final.language) == (TEXTS[LOCK], language)
