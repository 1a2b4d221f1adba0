"""whisper.cpp's own parts; what it recognises is tested with all recognisers in test_recognizers.py."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("pywhispercpp", reason="needs streamsrv[whispercpp]")

from recordings import recording
from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.engines.asr.whisper.cpp_native import Context, Request
from streamsrv.engines.asr.whisper.ggml_conversion import NAME, converted, mel_filters
from streamsrv.engines.asr.whisper.ggml_files import read_ggml
from streamsrv.engines.asr.whisper_cpp import load
from streamsrv.engines.asr.windows.incremental import Decode, Hypothesis, IncrementalRecognizer
from streamsrv.engines.catalogue import ModelEntry, load_catalogue
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Priority, Scheduler
from streamsrv.testing.word_errors import count_word_errors

CATALOGUE = load_catalogue()
OWN = ModelEntry("own", "recognizer", "whisper_cpp")
WORDS = "It was the best of times, it was the worst of times"
HOTEL = Path(__file__).parents[2] / "fixtures" / "korean_hotel_booking.flac"

pytestmark = pytest.mark.asyncio(loop_scope="module")


def files_of(name: str) -> dict[str, Path]:
    entry, store = CATALOGUE[name], ModelStore()
    if store.missing(entry):
        pytest.skip(f"needs streamsrv pull {name}")
    return store.locate(entry)


@pytest.fixture(scope="module")
def context() -> Iterator[LoadContext]:
    scheduler = Scheduler(2)
    yield LoadContext(scheduler, {})
    scheduler.close()


@pytest.fixture(scope="module")
def english(context) -> IncrementalRecognizer:
    name = "whisper-cpp-tiny.en"
    return load(CATALOGUE[name], replace(context, files=files_of(name)))


@pytest.fixture(scope="module")
def multilingual(context) -> IncrementalRecognizer:
    name = "whisper-cpp-base"
    entry = CATALOGUE[name]
    return load(replace(entry, options={**entry.options, "contexts": 1}), replace(context, files=files_of(name)))


@pytest.fixture(scope="module")
def speech() -> NDArray[np.int16]:
    """The words of `WORDS`."""
    return read_audio(recording("two_cities.wav"), SPEECH_RATE_HZ)[: 4 * SPEECH_RATE_HZ]


@pytest.fixture(scope="module")
def hotel() -> NDArray[np.int16]:
    return read_audio(HOTEL, SPEECH_RATE_HZ)


async def decoded(recognizer: IncrementalRecognizer, pcm: NDArray[np.int16], **options) -> Hypothesis:
    return await recognizer.decode(Decode(pcm, RecognitionOptions(**options), Priority.FINAL))


async def test_an_english_model_states_what_it_can(english):
    abilities = english.abilities
    assert abilities.languages == {"en"}
    assert (abilities.detects_language, abilities.translates) == (False, False)
    assert abilities.prompt
    assert abilities.keywords
    assert abilities.logprobs


async def test_a_multilingual_model_states_what_it_can(multilingual):
    abilities = multilingual.abilities
    assert {"en", "ko", "jv", "de"} <= abilities.languages
    assert abilities.detects_language
    assert abilities.translates


@pytest.mark.parametrize("samples", [0, 1, 199, 1600])
async def test_audio_too_short_for_words_is_taken(english, samples):
    assert (await decoded(english, np.zeros(samples, np.int16))).text == ""


@pytest.mark.parametrize("level", [0, 30, 1_000])
async def test_noise_is_no_text(english, level):
    noise = (np.random.default_rng(0).standard_normal(3 * SPEECH_RATE_HZ) * level).astype(np.int16)
    assert (await decoded(english, noise)).text == ""


async def test_log_probabilities_are_those_of_the_text(english, speech):
    hypothesis = await decoded(english, speech, logprobs=True)
    assert count_word_errors(WORDS, hypothesis.text).rate < 0.2
    assert "".join(each.token for each in hypothesis.logprobs).strip() == hypothesis.text
    assert all(-10 < each.logprob <= 0 for each in hypothesis.logprobs)
    assert (await decoded(english, speech)).logprobs == ()


async def test_prompt_and_keywords_are_taken(english, speech):
    hypothesis = await decoded(english, speech, prompt="A Tale of Two Cities", keywords=("Dickens", "epoch"))
    assert count_word_errors(WORDS, hypothesis.text).rate < 0.2


async def test_speech_that_makes_a_short_window_loop_is_decoded_whole(english):
    times = read_audio(recording("two_cities.wav"), SPEECH_RATE_HZ)[168_000 : 168_000 + 132_800]
    assert (await decoded(english, times)).text.lower().count("season of darkness") == 1


async def test_the_language_is_detected(multilingual, speech, hotel):
    assert (await decoded(multilingual, hotel)).language == "ko"


async def test_only_the_languages_that_may_be_spoken_are_detected(multilingual, speech):
    assert (await decoded(multilingual, speech, languages=("fr", "de"))).language in ("fr", "de")


async def test_korean_tokens_that_end_within_a_letter_are_joined(multilingual, hotel):
    hypothesis = await decoded(multilingual, hotel, language="ko", logprobs=True)
    assert "호텔" in hypothesis.text
    assert "".join(each.token for each in hypothesis.logprobs).strip() == hypothesis.text


async def test_a_translation_is_english(hotel):
    context = Context(converted(files_of("whisper-cpp-base"), print))
    request, samples = Request("ko", 14, translate=True), hotel.astype(np.float32) / 32768
    written = await asyncio.to_thread(context.write, samples, request, lambda: False)
    text = b"".join(context.text(token) for token in written.tokens if token < context.end).decode()
    assert any(map(str.isalpha, text))
    assert text.isascii()


async def test_a_decode_that_nobody_awaits_is_aborted(english, speech):
    path = converted(files_of("whisper-cpp-tiny.en"), print)
    context, asked = Context(path), [0]

    def is_abandoned() -> bool:
        asked[0] += 1
        return True

    written = await asyncio.to_thread(context.write, speech.astype(np.float32) / 32768, Request("en", 10), is_abandoned)
    assert written.tokens == ()
    assert asked[0] > 0
    again = await asyncio.to_thread(context.write, speech.astype(np.float32) / 32768, Request("en", 10), lambda: False)
    assert again.tokens


async def test_a_file_of_the_users_own_is_loaded(english, context, speech):
    path = converted(files_of("whisper-cpp-tiny.en"), print)
    recognizer = load(replace(OWN, options={"file": str(path), "contexts": 1}), context)
    assert "best of times" in (await decoded(recognizer, speech)).text.lower()


async def test_a_converted_file_is_kept_until_its_source_changes(tmp_path):
    files = {name: Path(shutil.copy(path, tmp_path / name)) for name, path in files_of("whisper-cpp-tiny.en").items()}
    said: list[str] = []
    path = converted(files, said.append)
    assert path == tmp_path / NAME
    assert read_ggml(path).decoder_layers == 4
    assert converted(files, said.append) == path
    assert len(said) == 1
    path.write_bytes(path.read_bytes()[:-1])
    converted(files, said.append)
    assert len(said) == 2
    assert read_ggml(path).width == 384
    assert list(tmp_path.glob(".converting-*")) == []


async def test_mel_filters_are_those_of_whisper():
    extractor = pytest.importorskip("faster_whisper.feature_extractor", reason="needs streamsrv[whisper]")
    for bands in (80, 128):
        theirs = extractor.FeatureExtractor.get_mel_filters(SPEECH_RATE_HZ, 400, n_mels=bands)
        assert np.allclose(mel_filters(bands), theirs, atol=1e-7)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda whole: whole[: len(whole) // 2], "is cut off after"),
        (lambda whole: whole[:-1], "is cut off after"),
        (lambda whole: whole[:20], "is cut off after"),
        (lambda whole: b"GGUF" + whole[4:1000], "is no ggml file of whisper.cpp"),
        (lambda whole: b"", "is cut off after 0 bytes"),
    ],
)
async def test_a_damaged_file_is_refused(context, tmp_path, content, message):
    path = tmp_path / "ggml.bin"
    path.write_bytes(content(converted(files_of("whisper-cpp-tiny.en"), print).read_bytes()))
    with pytest.raises(Unavailable, match=f"own could not be loaded: .*ggml.bin {message}"):
        load(replace(OWN, options={"file": str(path)}), context)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "own has no weights: its option `file` must name a ggml file"),
        ({"file": "/no/such/file.bin"}, r"own could not be loaded: .*No such file"),
        ({"threads": 4}, "'threads' is not an option"),
        ({"contexts": 0}, "contexts: 0"),
    ],
)
async def test_wrong_options_are_named(context, options, message):
    with pytest.raises(Unavailable, match=message):
        load(replace(OWN, options=options), context)


async def test_a_language_that_the_model_does_not_know_is_named(context):
    path = converted(files_of("whisper-cpp-tiny.en"), print)
    with pytest.raises(Unavailable, match="does not know the language 'de'"):
        load(replace(OWN, options={"file": str(path), "language": "de"}), context)


async def test_the_library_writes_nothing_and_the_interpreter_ends_well():
    path = converted(files_of("whisper-cpp-tiny.en"), print)
    program = (
        "import sys; from pathlib import Path\n"
        "from streamsrv.engines.asr.whisper.cpp_native import Context\n"
        "kept = Context(Path(sys.argv[1]))\n"
    )
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
