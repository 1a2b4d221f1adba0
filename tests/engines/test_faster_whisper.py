"""Whisper's own parts; what it recognises is tested with all recognisers in test_recognizers.py."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("faster_whisper", reason="needs streamsrv[whisper]")

from recordings import recording
from streamsrv.audio.files import read_audio
from streamsrv.audio.pcm import to_float
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.engines.asr.faster_whisper import WhisperDecoder, WhisperOptions, load, open_model
from streamsrv.engines.asr.incremental import Decode
from streamsrv.engines.catalogue import ModelEntry, load_catalogue
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Priority, Scheduler
from streamsrv.testing.word_errors import count_word_errors

CATALOGUE = load_catalogue()
WORDS = "It was the best of times, it was the worst of times"
OWN = ModelEntry("own", "recognizer", "faster_whisper")


def decoder_of(name: str) -> WhisperDecoder:
    entry, store = CATALOGUE[name], ModelStore()
    if store.missing(entry):
        pytest.skip(f"{name} needs streamsrv pull {name}")
    return WhisperDecoder(open_model(store.locate(entry), WhisperOptions(workers=1)), WhisperOptions())


@pytest.fixture(scope="module")
def english() -> WhisperDecoder:
    return decoder_of("whisper-tiny.en")


@pytest.fixture(scope="module")
def multilingual() -> WhisperDecoder:
    return decoder_of("whisper-base")


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """The words of `WORDS`."""
    return to_float(read_audio(recording("two_cities.wav"), SPEECH_RATE_HZ)[: int(4.0 * SPEECH_RATE_HZ)])


def noise(seconds: float, level: float) -> np.ndarray:
    return (np.random.default_rng(0).standard_normal(int(seconds * SPEECH_RATE_HZ)) * level).astype(np.float32)


def test_speech_of_a_few_seconds(english, speech):
    assert count_word_errors(WORDS, english.decode(speech, RecognitionOptions()).text).rate < 0.2


@pytest.mark.parametrize("samples", [0, 1, 199, 1600])
def test_audio_too_short_for_a_spectrogram_is_taken(english, samples):
    assert english.decode(np.zeros(samples, np.float32), RecognitionOptions()).text == ""


@pytest.mark.parametrize("level", [0.0, 0.001, 0.03])
@pytest.mark.parametrize("seconds", [1, 5])
def test_noise_is_no_text(english, seconds, level):
    assert english.decode(noise(seconds, level), RecognitionOptions()).text == ""


def test_the_longest_window_is_decoded(english):
    pcm = to_float(read_audio(recording("two_cities.wav"), SPEECH_RATE_HZ)[: english.max_window_ms * 16])
    assert len(english.decode(pcm, RecognitionOptions()).text.split()) > 40


@pytest.mark.parametrize("language", [None, "en", "en-US", "de", "tlh"])
def test_an_english_model_hears_english_whatever_is_asked(english, speech, language):
    hypothesis = english.decode(speech, RecognitionOptions(language=language))
    assert hypothesis.language == "en"
    assert "best of times" in hypothesis.text.lower()


@pytest.mark.parametrize("language", [None, "en", "en-US", "tlh"])
def test_a_multilingual_model_detects_the_language_unless_it_is_given(multilingual, speech, language):
    hypothesis = multilingual.decode(speech, RecognitionOptions(language=language))
    assert hypothesis.language == "en"
    assert count_word_errors(WORDS, hypothesis.text).rate < 0.2


def test_a_multilingual_model_writes_in_the_given_language(multilingual, speech):
    assert multilingual.decode(speech, RecognitionOptions(language="de")).language == "de"


def test_a_prompt_guides_the_spelling(english, speech):
    prompted = english.decode(speech, RecognitionOptions(prompt="A Tale of Two Cities, by Charles Dickens."))
    assert count_word_errors(WORDS, prompted.text).rate < 0.2


@pytest.fixture
def context():
    scheduler = Scheduler(1)
    yield LoadContext(scheduler, {})
    scheduler.close()


async def test_a_folder_of_the_users_own_is_loaded(context, speech):
    entry, store = CATALOGUE["whisper-tiny.en"], ModelStore()
    if store.missing(entry):
        pytest.skip("needs streamsrv pull whisper-tiny.en")
    folder = store.locate(entry)["model.bin"].parent
    recognizer = load(replace(OWN, options={"folder": str(folder), "beam_size": 2, "language": "en"}), context)
    window = Decode((speech * 32767).astype(np.int16), RecognitionOptions(), Priority.FINAL)
    assert "best of times" in (await recognizer.decode(window)).text.lower()


def test_an_entry_without_weights_must_name_a_folder(context):
    with pytest.raises(Unavailable, match="own has no weights: its option `folder`"):
        load(OWN, context)


def test_a_folder_without_a_model_is_explained_and_nothing_is_fetched(context, tmp_path: Path):
    with pytest.raises(Unavailable, match=r"own could not be loaded: no file .*config\.json"):
        load(replace(OWN, options={"folder": str(tmp_path)}), context)


def test_a_wrong_option_is_named(context):
    with pytest.raises(Unavailable, match=r"The options of own are wrong: .*'beams'"):
        load(replace(OWN, options={"beams": 5}), context)
