"""Whisper's own parts; what it recognises is tested with all recognisers in test_recognizers.py."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("faster_whisper", reason="needs streamsrv[whisper]")
import ctranslate2

from recordings import recording
from streamsrv.audio.files import read_audio
from streamsrv.audio.pcm import from_float
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.engines.asr.faster_whisper import load
from streamsrv.engines.asr.whisper.decoder import DecoderSettings, WhisperDecoder
from streamsrv.engines.asr.whisper.model import open_model
from streamsrv.engines.asr.whisper.model_files import ModelFiles
from streamsrv.engines.asr.windows.incremental import Decode, Hypothesis
from streamsrv.engines.catalogue import ModelEntry, load_catalogue
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Priority, Scheduler
from streamsrv.testing.word_errors import count_word_errors
from streamsrv.text.words import split_words

CATALOGUE = load_catalogue()
WORDS = "It was the best of times, it was the worst of times"
OWN = ModelEntry("own", "recognizer", "faster_whisper")


def files_of(name: str) -> dict[str, Path]:
    entry, store = CATALOGUE[name], ModelStore()
    if store.missing(entry):
        pytest.skip(f"{name} needs streamsrv pull {name}")
    return dict(store.locate(entry))


def decoder_of(name: str, settings: DecoderSettings | None = None) -> WhisperDecoder:
    return WhisperDecoder(open_model(ModelFiles(files_of(name)), "cpu", "auto", 1, print), settings)


def decode(decoder: WhisperDecoder, pcm: np.ndarray, *, is_complete: bool = False, **options) -> Hypothesis:
    window = Decode(pcm, RecognitionOptions(**options), Priority.FINAL, is_complete=is_complete)
    [hypothesis] = decoder.decode([window])
    return hypothesis


@pytest.fixture(scope="module")
def english() -> WhisperDecoder:
    return decoder_of("whisper-tiny.en")


@pytest.fixture(scope="module")
def multilingual() -> WhisperDecoder:
    return decoder_of("whisper-base")


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """The words of `WORDS`."""
    return read_audio(recording("two_cities.wav"), SPEECH_RATE_HZ)[: 4 * SPEECH_RATE_HZ]


def noise(seconds: float, level: float) -> np.ndarray:
    return from_float((np.random.default_rng(0).standard_normal(int(seconds * SPEECH_RATE_HZ)) * level).astype("f4"))


def melody() -> np.ndarray:
    """Ten plucked notes."""
    t = np.arange(SPEECH_RATE_HZ // 2) / SPEECH_RATE_HZ
    notes = [np.sin(2 * np.pi * hz * t) * np.exp(-6 * t) for hz in (262, 330, 392, 523, 392, 330, 262, 294, 349, 440)]
    return from_float((np.concatenate(notes) * 0.3).astype(np.float32))


def test_speech_of_a_few_seconds(english, speech):
    assert count_word_errors(WORDS, decode(english, speech).text).rate < 0.2


@pytest.mark.parametrize("samples", [0, 1, 199, 1600])
def test_audio_too_short_for_a_spectrogram_is_taken(english, samples):
    assert decode(english, np.zeros(samples, np.int16), is_complete=True, logprobs=True).text == ""


@pytest.mark.parametrize("level", [0.0, 0.001, 0.03, 0.2])
@pytest.mark.parametrize("seconds", [1, 5])
@pytest.mark.parametrize("model", ["english", "multilingual"])
def test_noise_is_no_text(request, model, seconds, level):
    hypothesis = decode(request.getfixturevalue(model), noise(seconds, level))
    assert (hypothesis.text, hypothesis.language) == ("", None)


@pytest.mark.parametrize("options", [{"prompt": "A Tale of Two Cities."}, {"keywords": ("Streamsrv", "Moonshine")}])
def test_noise_does_not_become_the_words_that_were_expected(english, options):
    assert decode(english, noise(3, 0.01), **options).text == ""


@pytest.mark.parametrize("model", ["english", "multilingual"])
def test_music_is_no_text(request, model):
    assert decode(request.getfixturevalue(model), melody()).text == ""


def test_the_longest_window_is_decoded(english):
    pcm = read_audio(recording("two_cities.wav"), SPEECH_RATE_HZ)[: english.max_window_ms * 16]
    assert len(decode(english, pcm).text.split()) > 40


@pytest.mark.parametrize("language", [None, "en", "en-US", "de", "tlh"])
def test_an_english_model_hears_english_whatever_is_asked(english, speech, language):
    hypothesis = decode(english, speech, language=language)
    assert hypothesis.language == "en"
    assert "best of times" in hypothesis.text.lower()


def test_an_english_model_knows_only_english_and_cannot_translate(english):
    abilities = english.abilities
    assert (abilities.languages, abilities.detects_language, abilities.translates) == ({"en"}, False, False)


def test_a_multilingual_model_knows_the_languages_of_its_vocabulary(multilingual):
    abilities = multilingual.abilities
    assert {"en", "de", "fr", "ja", "jv", "haw", "nb"} <= abilities.languages
    assert not {"yue", "jw"} & abilities.languages
    assert abilities.detects_language
    assert abilities.translates


@pytest.mark.parametrize("language", [None, "en", "en-US", "tlh"])
def test_a_multilingual_model_detects_the_language_unless_it_is_given(multilingual, speech, language):
    hypothesis = decode(multilingual, speech, language=language)
    assert hypothesis.language == "en"
    assert hypothesis.is_sure_of_language == (language != "en")
    assert count_word_errors(WORDS, hypothesis.text).rate < 0.2


def test_a_multilingual_model_writes_in_the_given_language(multilingual, speech):
    assert decode(multilingual, speech, language="de").language == "de"


def test_only_the_languages_that_may_be_spoken_are_detected(multilingual, speech):
    assert decode(multilingual, speech, languages=("de", "fr")).language in ("de", "fr")
    assert decode(multilingual, speech, languages=("de", "en")).language == "en"


def test_a_model_used_for_one_language_detects_none(speech):
    decoder = decoder_of("whisper-base", DecoderSettings(languages=frozenset({"en"}), translates=False))
    assert decoder.abilities.languages == {"en"}
    assert not decoder.abilities.detects_language
    assert not decoder.abilities.translates
    assert "best of times" in decode(decoder, speech, language="de").text.lower()


@pytest.mark.parametrize("options", [{"prompt": "A Tale of Two Cities, by Charles Dickens."}, {"prompt": "x " * 900}])
def test_no_prompt_makes_speech_vanish(english, speech, options):
    assert count_word_errors(WORDS, decode(english, speech, **options).text).rate < 0.2


def test_words_have_times_and_confidence_where_the_text_may_be_final(english, speech):
    hypothesis = decode(english, speech, is_complete=True)
    words = hypothesis.words
    assert tuple(word.text for word in words) == split_words(hypothesis.text)
    times = [ms for word in words for ms in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    worst = next(word for word in words if word.text == "worst")
    assert abs(worst.start_ms - 3580) < 150  # by ear
    assert all(0 < word.confidence <= 1 for word in words)
    assert decode(english, speech).words == ()


@pytest.mark.parametrize("is_complete", [True, False])
def test_each_token_has_a_log_probability_if_that_is_asked(english, speech, is_complete):
    hypothesis = decode(english, speech, is_complete=is_complete, logprobs=True)
    assert "".join(each.token for each in hypothesis.logprobs).strip() == hypothesis.text
    assert all(each.logprob <= 0 for each in hypothesis.logprobs)
    assert decode(english, speech, is_complete=is_complete).logprobs == ()


def window(pcm: np.ndarray, **options) -> Decode:
    return Decode(pcm, RecognitionOptions(**options), Priority.FINAL, is_complete=True)


def test_windows_decoded_together_have_the_texts_that_they_have_alone(multilingual):
    """Windows of two lengths, in two languages, with and without hints."""
    pcm = read_audio(recording("two_cities.wav"), SPEECH_RATE_HZ)
    first, second, long = (pcm[at * SPEECH_RATE_HZ :][: s * SPEECH_RATE_HZ] for at, s in ((1, 3), (9, 4), (20, 9)))
    windows = [
        window(first, language="en"),
        window(second),
        window(long, languages=("en", "de"), logprobs=True),
        window(np.zeros(SPEECH_RATE_HZ, np.int16)),
        window(first, keywords=("Dickens",)),
        window(second, task="translate", language="de"),
    ]
    batched = WhisperDecoder(multilingual.model, DecoderSettings(max_batch=8))
    together = batched.decode(windows)
    assert [each.text for each in together] == [multilingual.decode([each])[0].text for each in windows]
    assert together[3].text == ""
    assert all(each.text for index, each in enumerate(together) if index != 3)
    assert [bool(each.words) for each in together] == [True, True, True, False, True, False]
    assert "".join(each.token for each in together[2].logprobs).strip() == together[2].text


async def test_streams_that_are_decoded_together_do_not_mix(speech, own_folder: Path):
    scheduler = Scheduler(2)
    entry = replace(OWN, options={"folder": str(own_folder), "batch": 4, "device": "cpu"})
    recognizer = load(entry, LoadContext(scheduler, {}))
    beckett = read_audio(recording("beckett.wav"), SPEECH_RATE_HZ)

    async def recognize(pcm: np.ndarray) -> str:
        async with aclosing(recognizer.connect().open(RecognitionOptions())) as stream:
            for start in range(0, len(pcm), 512):
                stream.push(pcm[start : start + 512])
                await asyncio.sleep(0)
            stream.finish()
            *_, final = [transcript async for transcript in stream]
        return final.text

    async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
        wanted = [tasks.create_task(recognize(pcm)) for pcm in (speech, beckett, speech)]
        unwanted = tasks.create_task(recognize(beckett))
        await asyncio.sleep(0.05)
        unwanted.cancel()
    scheduler.close()
    one, other, third = (task.result().lower() for task in wanted)
    assert "best of times" in one
    assert one == third
    assert "fail again" in other


@pytest.fixture
def context():
    scheduler = Scheduler(1)
    yield LoadContext(scheduler, {})
    scheduler.close()


async def test_a_folder_of_the_users_own_is_loaded(speech, own_folder: Path):
    scheduler = Scheduler(1)
    options = {"folder": str(own_folder), "beam_size": 2, "language": "English", "compute_type": "float32"}
    recognizer = load(replace(OWN, options=options), LoadContext(scheduler, {}))
    heard = await recognizer.decode(Decode(speech, RecognitionOptions(), Priority.FINAL))
    scheduler.close()
    assert "best of times" in heard.text.lower()


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """A folder with links to the files of whisper-tiny.en."""
    for name, path in files_of("whisper-tiny.en").items():
        (tmp_path / name).symlink_to(path)
    return tmp_path


def refused(context: LoadContext, **options) -> str:
    with pytest.raises(Unavailable) as refusal:
        load(replace(OWN, options=options), context)
    return str(refusal.value)


@pytest.mark.parametrize("size", [0, 3, 100, 5000, 40_000_000, -1])
def test_weights_that_are_cut_off_are_refused(context, own_folder: Path, size: int):
    weights = (own_folder / "model.bin").read_bytes()[:size]
    (own_folder / "model.bin").unlink()
    (own_folder / "model.bin").write_bytes(weights)
    assert "own could not be loaded: model.bin is cut off" in refused(context, folder=str(own_folder))


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json", "vocabulary.txt"])
@pytest.mark.parametrize("content", [None, b"", b"not what it should be", b"<html>not found</html>" * 1000])
def test_a_file_that_is_missing_or_damaged_is_named(context, own_folder: Path, name: str, content: bytes | None):
    (own_folder / name).unlink()
    if content is not None:
        (own_folder / name).write_bytes(content)
    message = refused(context, folder=str(own_folder))
    assert message.startswith("own could not be loaded: ")
    assert name in message or (content is None and "vocabulary.txt" in message)


def test_a_tokenizer_of_another_model_is_refused(context, own_folder: Path):
    other = files_of("whisper-base")["tokenizer.json"]
    (own_folder / "tokenizer.json").unlink()
    (own_folder / "tokenizer.json").symlink_to(other)
    assert "tokenizer.json does not belong to model.bin" in refused(context, folder=str(own_folder))


def test_a_type_of_numbers_that_this_machine_lacks_is_refused(context, own_folder: Path):
    message = refused(context, folder=str(own_folder), compute_type="int3", device="cpu")
    assert "compute_type: 'int3' cannot be used on this cpu; accepted here: 'auto', " in message
    assert "'float32'" in message


def test_a_gpu_that_is_not_there_is_refused(context, own_folder: Path):
    if ctranslate2.get_cuda_device_count():
        pytest.skip("this machine has a GPU")
    message = refused(context, folder=str(own_folder), device="cuda")
    assert "device: 'cuda': no GPU with CUDA was found; accepted here: 'auto', 'cpu'" in message


def test_a_language_that_the_model_lacks_is_refused(context, own_folder: Path):
    message = refused(context, folder=str(own_folder), language="de")
    assert message == "own: options: language: 'de' is not a language of this model (accepted: en)"
    entry = replace(OWN, languages=("en", "fr"), options={"folder": str(own_folder)})
    with pytest.raises(Unavailable, match="own: languages: 'fr' is not a language of this model"):
        load(entry, context)


def test_an_entry_without_weights_must_name_a_folder(context):
    with pytest.raises(Unavailable, match="own has no weights: its option `folder`"):
        load(OWN, context)


def test_a_folder_without_a_model_is_explained_and_nothing_is_fetched(context, tmp_path: Path):
    with pytest.raises(Unavailable, match=r"own could not be loaded: no file .*config\.json"):
        load(replace(OWN, options={"folder": str(tmp_path)}), context)


def test_a_wrong_option_is_named(context):
    with pytest.raises(Unavailable, match=r"The options of own are wrong: .*'beams'"):
        load(replace(OWN, options={"beams": 5}), context)
