"""The pure parts of the Whisper engine: languages, guards against invented text, times of words, sizes of a model."""

import math
import struct
from io import BytesIO

import pytest

from streamsrv.engines.asr.base import Word
from streamsrv.engines.asr.whisper.guards import Evidence
from streamsrv.engines.asr.whisper.languages import is_sure, likeliest, restricted, spoken_languages, to_whisper
from streamsrv.engines.asr.whisper.model_files import ModelFacts, read_facts
from streamsrv.engines.asr.whisper.timing import logprobs_of, read_pieces, words_of
from streamsrv.text.words import split_words

# --- languages


def test_languages_have_iso_codes():
    tokens = ["<|en|>", "<|jw|>", "<|no|>", "<|haw|>", "<|yue|>", "<|0.00|>", "<|nospeech|>", "hello"]
    assert spoken_languages(tokens) == {"en", "jv", "no", "nb", "haw", "yue"}
    assert [to_whisper(code) for code in ("jv", "nb", "de")] == ["jw", "no", "de"]


def test_a_model_may_be_restricted_to_some_of_its_languages():
    all_languages = frozenset({"en", "de", "no", "nb"})
    assert restricted(all_languages, frozenset()) == all_languages
    assert restricted(all_languages, frozenset({"en"})) == {"en"}
    assert restricted(all_languages, frozenset({"no"})) == {"no", "nb"}


DETECTED = [("<|nl|>", 0.5), ("<|de|>", 0.3), ("<|jw|>", 0.15), ("<|fr|>", 0.05)]


@pytest.mark.parametrize(
    ("allowed", "language", "probability"),
    [
        (("nl", "de", "fr", "jv"), "nl", 0.5),
        (("de", "fr"), "de", 0.3 / 0.35),
        (("jv",), "jv", 1.0),
        (("it",), "nl", 0.5),
    ],
)
def test_the_likeliest_of_the_allowed_languages_is_chosen(allowed, language, probability):
    found = likeliest(DETECTED, allowed)
    assert found[0] == language
    assert found[1] == pytest.approx(probability)


@pytest.mark.parametrize(
    ("probability", "seconds", "sure"),
    [(0.99, 1.0, False), (0.95, 2.0, True), (0.8, 2.9, False), (0.75, 3.0, True), (0.6, 12.0, False)],
)
def test_a_language_is_certain_only_after_enough_speech(probability, seconds, sure):
    assert is_sure(probability, seconds) == sure


# --- guards


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence(no_speech=0.02, score=-0.2, tokens=20, kept=20),
        Evidence(no_speech=0.68, score=-0.70, tokens=2, kept=2),  # "6."
        Evidence(no_speech=0.04, score=-1.08, tokens=4, kept=4),  # a name
        Evidence(no_speech=0.39, score=-0.92, tokens=41, kept=41),  # speech in noise
        Evidence(no_speech=0.01, score=-0.3, tokens=40, kept=8),  # a speaker who says the same again and again
    ],
)
def test_what_was_said_is_kept(evidence):
    assert evidence.is_speech


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence(no_speech=0.91, score=-0.70, tokens=5, kept=5),  # "Thank you very much." after music
        Evidence(no_speech=0.87, score=-1.14, tokens=2, kept=2),  # "Thanks." in a café
        Evidence(no_speech=0.50, score=-1.85, tokens=7, kept=7),  # "I'm going to do it." in a café
        Evidence(no_speech=0.76, score=-2.29, tokens=5, kept=5),
        Evidence(no_speech=0.57, score=-0.35, tokens=114, kept=10),  # a loop
    ],
)
def test_what_noise_and_music_became_is_rejected(evidence):
    assert not evidence.is_speech


# --- times of words

TEXTS = [" Well", ",", " Mr", ".", " Smith", " said", " 日", "本"]
TOKENS = [[1], [2], [3], [4], [5], [6], [7, 8], [9]]
PATH = [(0, 0), (0, 5), (1, 20), (2, 40), (3, 45), (4, 50), (4, 60), (5, 75), (6, 90), (7, 95), (8, 100), (9, 120)]
PROBABILITIES = [0.5, 0.5, 1, 1, 1, 1, 0.5, 0.5, 0]


def test_words_get_the_times_of_their_tokens_and_punctuation_does_not_make_them_longer():
    pieces = read_pieces(TEXTS, TOKENS, PATH, PROBABILITIES)
    assert words_of(pieces) == (
        Word("Well,", 0, 400, 0.5),
        Word("Mr.", 800, 900, 1.0),
        Word("Smith", 1000, 1500, 1.0),
        Word("said", 1500, 1800, 1.0),
        Word("日", 1800, 2000, 0.25),
        Word("本", 2000, 2400, 0.0),
    )
    assert tuple(word.text for word in words_of(pieces)) == split_words("".join(TEXTS))


def test_log_probabilities_are_finite_and_their_tokens_make_up_the_text():
    logprobs = logprobs_of(read_pieces(TEXTS, TOKENS, PATH, PROBABILITIES))
    assert "".join(each.token for each in logprobs) == "".join(TEXTS)
    assert logprobs[0].logprob == pytest.approx(math.log(0.5))
    assert logprobs[6].logprob == pytest.approx(2 * math.log(0.5))
    assert all(math.isfinite(each.logprob) for each in logprobs)


def test_nothing_said_has_no_words():
    assert words_of(read_pieces([], [], [], [])) == ()


# --- the header of model.bin


def text(value: str) -> bytes:
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def model(weights: dict[str, tuple[int, ...]], *, name: str = "WhisperSpec", version: int = 6) -> bytes:
    data = struct.pack("<I", version) + text(name) + struct.pack("<II", 3, len(weights))
    for weight, shape in weights.items():
        size = 2 * math.prod(shape)  # float16
        data += text(weight) + struct.pack(f"<B{len(shape)}IBI", len(shape), *shape, 4, size) + bytes(size)
    return data + struct.pack("<I", 1) + text("decoder/projection/weight") + text("decoder/embeddings/weight")


WEIGHTS = {
    "encoder/conv1/weight": (64, 128, 3),
    "decoder/embeddings/weight": (1000, 64),
    "decoder/layer_0/ffn/weight": (4, 4),
    "decoder/layer_1/ffn/weight": (4, 4),
    "decoder/layer_1/attention/weight": (),
}


def test_the_sizes_of_a_model_are_read_from_its_header():
    data = model(WEIGHTS)
    assert read_facts(BytesIO(data), len(data)) == ModelFacts(width=64, decoder_layers=2, mel_bands=128, tokens=1000)


def test_a_model_that_is_cut_off_anywhere_is_refused():
    data = model(WEIGHTS)
    for size in (*range(200), *range(200, len(data), 997), len(data) - 1):
        with pytest.raises(ValueError, match=f"model.bin is cut off after {size} bytes, at "):
            read_facts(BytesIO(data[:size]), size)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (model(WEIGHTS, version=5), "its version is 5, not 6"),
        (b"<html>not found</html>", "its version is"),
        (model(WEIGHTS, name="TransformerSpec"), "model.bin is a 'TransformerSpec', not a WhisperSpec"),
        (model({"encoder/conv1/weight": (64, 128, 3)}), "model.bin has no usable weight"),
        (model(WEIGHTS).replace(struct.pack("<I", 128000), struct.pack("<I", 128002)), "embeddings/weight' is wrong"),
    ],
)
def test_a_damaged_model_or_one_of_another_kind_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        read_facts(BytesIO(data), len(data))
