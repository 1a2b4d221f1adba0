"""Vosk's own parts; what it recognises is tested with all recognisers in test_recognizers.py."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("vosk", reason="needs streamsrv[vosk]")

from streamsrv.audio.files import read_audio
from streamsrv.audio.pcm import level_dbfs
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import RecognitionOptions, Transcript
from streamsrv.engines.asr.kaldi import streaming as vosk_streaming
from streamsrv.engines.asr.kaldi.streaming import VoskRecognizer
from streamsrv.engines.asr.vosk import load
from streamsrv.engines.catalogue import ModelEntry, load_catalogue
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Overloaded, Unavailable
from streamsrv.inference.scheduler import Priority, Scheduler

ENTRY = load_catalogue()["vosk-ko"]
OWN = ModelEntry("own", "recognizer", "vosk", options={"language": "ko"})
HOTEL = Path(__file__).parents[2] / "fixtures" / "korean_hotel_booking.flac"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def files() -> dict[str, Path]:
    store = ModelStore()
    if store.missing(ENTRY):
        pytest.skip("needs streamsrv pull vosk-ko")
    return store.locate(ENTRY)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler(2)
    yield scheduler
    scheduler.close()


@pytest.fixture(scope="module")
def recognizer(files, scheduler) -> VoskRecognizer:
    return load(ENTRY, LoadContext(scheduler, files))


@pytest.fixture(scope="module")
def hotel() -> NDArray[np.int16]:
    return read_audio(HOTEL, SPEECH_RATE_HZ)


async def heard(recognizer: VoskRecognizer, pcm: NDArray[np.int16], *, is_speech: bool | None = None) -> Transcript:
    """The final transcript; frames are speech by their level, unless `is_speech` says it."""
    async with aclosing(recognizer.connect().open(RecognitionOptions(language="ko"))) as stream, asyncio.timeout(60):
        for start in range(0, len(pcm), 512):
            frame = pcm[start : start + 512]
            stream.push(frame, speech=level_dbfs(frame) > -45 if is_speech is None else is_speech)
            await asyncio.sleep(0)
        stream.finish()
        *_, final = [transcript async for transcript in stream]
    return final


async def test_korean_words_have_times_and_confidence(recognizer, hotel):
    final = await heard(recognizer, hotel)
    assert "호텔" in final.text
    assert "숙박" in final.text
    assert "[" not in final.text
    assert final.text.split() == [word.text for word in final.words]
    assert all(0 <= word.confidence <= 1 for word in final.words)
    hotel_word = next(word for word in final.words if word.text == "호텔")
    assert 2_300 < hotel_word.start_ms < hotel_word.end_ms < 3_600


async def test_times_are_those_of_the_utterance_when_a_recogniser_is_used_again(recognizer, hotel):
    first, second = await heard(recognizer, hotel), await heard(recognizer, hotel)
    assert abs(first.words[0].start_ms - second.words[0].start_ms) < 200
    assert second.words[-1].end_ms <= len(hotel) / 16


async def test_an_utterance_that_was_given_up_leaves_nothing_in_the_next(recognizer, hotel):
    async with aclosing(recognizer.connect().open(RecognitionOptions())) as stream, asyncio.timeout(60):
        stream.push(hotel[: 4 * SPEECH_RATE_HZ])
        await anext(aiter(stream))
    final = await heard(recognizer, hotel[-2 * SPEECH_RATE_HZ :])
    assert "숙박" not in final.text


async def test_speech_that_begins_late_has_its_times_in_the_whole_audio(recognizer, hotel):
    late = await heard(recognizer, np.concatenate([np.zeros(20 * SPEECH_RATE_HZ, np.int16), hotel]))
    assert 20_500 < late.words[0].start_ms < 21_500


@pytest.mark.parametrize("level", [0, 30, 1_000])
async def test_noise_that_is_no_speech_is_no_text(recognizer, level):
    noise = (np.random.default_rng(0).standard_normal(5 * SPEECH_RATE_HZ) * level).astype(np.int16)
    assert (await heard(recognizer, noise, is_speech=False)).text == ""


async def test_recognisers_that_many_streams_left_are_freed(files, scheduler, monkeypatch):
    monkeypatch.setattr(vosk_streaming, "MAX_IDLE", 1)
    recognizer = load(ENTRY, LoadContext(scheduler, files))
    taken = [recognizer.pool.take() for _ in range(3)]
    for kaldi in taken:
        recognizer.pool.give_back(kaldi)
    del taken, kaldi
    assert recognizer.pool.idle == 3
    used = recognizer.pool.take()
    assert recognizer.pool.idle == 1
    recognizer.pool.give_back(used)


async def test_native_calls_are_made_on_worker_threads_only(recognizer, scheduler, hotel, monkeypatch):
    callers: set[str] = set()
    run = scheduler.run

    async def noting(priority: Priority, call: Any, **options: Any) -> Any:
        def noted() -> Any:
            callers.add(threading.current_thread().name)
            return call()

        return await run(priority, noted, **options)

    monkeypatch.setattr(scheduler, "run", noting)
    await heard(recognizer, hotel)
    assert callers
    assert threading.current_thread().name not in callers


async def test_steps_that_are_shed_are_tried_again(recognizer, scheduler, hotel, monkeypatch):
    shed = [3]
    run = scheduler.run

    async def shedding(priority: Priority, call: Any, **options: Any) -> Any:
        if priority is Priority.PARTIAL and shed[0]:
            shed[0] -= 1
            raise Overloaded("full")
        return await run(priority, call, **options)

    monkeypatch.setattr(scheduler, "run", shedding)
    final = await heard(recognizer, hotel)
    assert "호텔" in final.text
    assert shed == [0]


async def test_a_stream_that_cannot_keep_up_fails(files):
    scheduler = Scheduler(0)
    recognizer = load(ENTRY, LoadContext(scheduler, files))
    async with aclosing(recognizer.connect().open(RecognitionOptions())) as stream, asyncio.timeout(60):
        minute = np.ones(60 * SPEECH_RATE_HZ, np.int16)
        for _ in range(11):
            stream.push(minute)
        with pytest.raises(Overloaded, match="vosk-ko is 600 s of speech behind"):
            await anext(aiter(stream))
    scheduler.close()


async def test_a_folder_of_the_users_own_is_loaded(files, scheduler, hotel):
    folder = files["final.mdl"].parents[1]
    recognizer = load(replace(OWN, options={"folder": str(folder), "language": "ko"}), LoadContext(scheduler, {}))
    assert "호텔" in (await heard(recognizer, hotel)).text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "ko"}, "own has no weights: its option `folder` must name the folder of a Vosk model"),
        ({"folder": "/x"}, "language is missing"),
        ({"folder": "/x", "language": "kor"}, "language: 'kor'"),
        ({"language": "ko", "grammar": "[]"}, "'grammar' is not an option"),
    ],
)
async def test_wrong_options_are_named(scheduler, options, message):
    with pytest.raises(Unavailable, match=message):
        load(replace(OWN, options=options), LoadContext(scheduler, {}))


async def test_a_folder_without_a_model_is_explained(scheduler, tmp_path):
    options = {"language": "ko", "folder": str(tmp_path)}
    with pytest.raises(Unavailable, match=r"is no Vosk model: no file .*am/final\.mdl"):
        load(replace(OWN, options=options), LoadContext(scheduler, {}))


@pytest.mark.parametrize("damaged", ["am/final.mdl", "graph/HCLr.fst", "ivector/final.ie"])
async def test_a_damaged_model_is_refused(files, scheduler, tmp_path, damaged):
    for file in ENTRY.weights:
        source, copy = files[file.name], tmp_path / file.path
        copy.parent.mkdir(parents=True, exist_ok=True)
        if file.path == damaged:
            copy.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
        else:
            copy.symlink_to(source)
    with pytest.raises(Unavailable, match="its files are incomplete or damaged"):
        load(replace(OWN, options={"language": "ko", "folder": str(tmp_path)}), LoadContext(scheduler, {}))
