"""Moonshine's own parts; what it recognises is tested with all recognisers in test_recognizers.py."""

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from recordings import recording
from streamsrv.audio.files import read_audio
from streamsrv.audio.pcm import to_float
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr import moonshine_conversion
from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.engines.asr.moonshine import Found, MoonshineDecoder, load, read_vocabulary
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Scheduler

ENTRY = load_catalogue()["moonshine-tiny"]


def never_abandoned() -> bool:
    return False


@pytest.fixture(scope="module")
def decoder() -> MoonshineDecoder:
    store = ModelStore()
    if lacking := needs(ENTRY, store):
        pytest.skip(f"{ENTRY.name} needs {', '.join(map(str, lacking))}")
    files = store.locate(ENTRY)
    return MoonshineDecoder(files["encoder_model.ort"], files["decoder_model_merged.ort"], files["tokenizer.bin"])


def test_a_vocabulary_has_short_long_and_empty_tokens():
    assert read_vocabulary(b"\x02ab" + b"\x00" + bytes([130, 1]) + b"c" * 130) == [b"ab", b"", b"c" * 130]


@pytest.mark.parametrize("samples", [0, 1, 400, 1600])
def test_audio_too_short_for_the_encoder_is_taken(decoder, samples):
    assert len(decoder.decode(np.zeros(samples, np.float32), RecognitionOptions(), never_abandoned).text) < 10


def test_no_text_is_made_up_from_many_voices_at_once(decoder):
    """Babble, mixed of sixteen pieces of one recording. Other seconds of it are taken for speech on some processors."""
    pcm = to_float(read_audio(recording("two_cities.wav"), SPEECH_RATE_HZ))
    voices = [np.roll(pcm, -number * len(pcm) // 16) for number in range(16)]
    babble = np.sum(voices, axis=0)[: 8 * SPEECH_RATE_HZ] / 4
    assert decoder.decode(babble.astype(np.float32), RecognitionOptions(), never_abandoned).text == ""


def test_log_probabilities_are_those_of_the_tokens_of_the_text(decoder):
    pcm = to_float(read_audio(recording("beckett.wav"), SPEECH_RATE_HZ))
    asked = decoder.decode(pcm, RecognitionOptions(logprobs=True), never_abandoned)
    assert "".join(each.token for each in asked.logprobs).strip() == asked.text
    assert all(-10 < each.logprob <= 0 for each in asked.logprobs)
    assert decoder.decode(pcm, RecognitionOptions(), never_abandoned).logprobs == ()


@pytest.mark.parametrize(
    ("logprob", "is_loop", "is_speech"),
    [(-0.9, False, True), (-1.1, False, False), (-0.4, True, True), (-0.6, True, False)],
)
def test_an_unlikely_text_is_no_speech(logprob: float, is_loop: bool, is_speech: bool):
    assert Found([5, 6], [logprob] * 3, is_cut=is_loop, is_loop=is_loop).is_speech == is_speech


def test_missing_files_are_unavailable(tmp_path):
    scheduler = Scheduler(0)
    files = {name: tmp_path / name for name in ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")}
    with pytest.raises(Unavailable, match="moonshine-tiny could not be loaded"):
        load(ENTRY, LoadContext(scheduler, files))
    scheduler.close()


def test_a_converted_model_is_kept_and_made_again_when_its_source_is_newer(tmp_path, monkeypatch):
    made: list[str] = []

    def convert(source: Path, target: Path) -> None:
        made.append(source.name)
        target.write_bytes(b"converted")

    monkeypatch.setattr(moonshine_conversion, "_convert", convert)
    files = {name: tmp_path / name for name in (*moonshine_conversion.NAMES, "tokenizer.bin")}
    for path in files.values():
        path.touch()
    reported: list[str] = []
    found = moonshine_conversion.converted(files, reported.append)
    assert found == {
        "encoder_model.ort": tmp_path / "encoder_model.int8.onnx",
        "decoder_model_merged.ort": tmp_path / "decoder_model_merged.int8.onnx",
        "tokenizer.bin": tmp_path / "tokenizer.bin",
    }
    assert made == list(moonshine_conversion.NAMES)
    assert [line.split()[0] for line in reported] == ["converting", "converting"]
    assert moonshine_conversion.converted(files, reported.append) == found
    assert len(made) == 2
    os.utime(files["encoder_model.ort"], (2**31, 2**31))
    moonshine_conversion.converted(files, reported.append)
    assert made[2:] == ["encoder_model.ort"]


def test_a_decode_that_is_abandoned_stops_after_the_token_in_progress(decoder):
    pcm = to_float(read_audio(recording("two_cities.wav"), SPEECH_RATE_HZ)[: 8 * SPEECH_RATE_HZ])
    asked = 0

    def after_three_tokens() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    decoder.decode(pcm, RecognitionOptions(), after_three_tokens)
    assert asked == 4
