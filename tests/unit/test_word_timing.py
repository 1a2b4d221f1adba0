"""Estimating where words are heard."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.engines.tts.base import SpokenWord
from streamsrv.text import word_timing
from streamsrv.text.english_words import ABBREVIATIONS
from streamsrv.text.speakable import speakable
from streamsrv.text.word_timing import estimate_words

LATIN = st.text(st.sampled_from("abc ,.$5%€é😀*`\n"), max_size=80)


def lengths(text: str) -> dict[str, int]:
    return {word.text: word.end_ms - word.start_ms for word in estimate_words(text, 10_000)}


@given(st.one_of(st.text(), LATIN), st.integers(0, 60_000), st.integers(0, 60_000))
def test_the_words_fill_the_speech_in_order(text: str, duration_ms: int, offset_ms: int) -> None:
    words = estimate_words(text, duration_ms, offset_ms)
    assert [word.text for word in words] == text.split()
    assert all(word.start_ms <= word.end_ms for word in words)
    assert all(before.end_ms == after.start_ms for before, after in pairwise(words))
    if words:
        assert (words[0].start_ms, words[-1].end_ms) == (offset_ms, offset_ms + duration_ms)


def test_one_word_takes_all_the_time() -> None:
    assert estimate_words("Hello.", 700, 50) == (SpokenWord("Hello.", 50, 750),)


def test_a_word_is_as_long_as_it_sounds() -> None:
    length = lengths("It costs $3.50 extraordinarily I")
    assert length["$3.50"] > length["extraordinarily"] > length["costs"] > length["I"]


def test_a_mark_makes_a_pause() -> None:
    length = lengths("word word, “word.” end")
    assert length["“word.”"] > length["word,"] > length["word"]


def test_markup_and_emoji_take_no_time() -> None:
    length = lengths("- **word** 😀 here")
    assert length["-"] == length["😀"] == 0
    assert length["**word**"] > 0


def test_text_without_sound_is_spread_evenly() -> None:
    assert [word.end_ms for word in estimate_words("😀 😀", 100)] == [50, 100]


LETTERS = st.text(st.sampled_from("abcxDXéß½ªµ中Ⓐ"), max_size=6) | st.sampled_from(
    [word.rstrip(".") for word in ABBREVIATIONS]
)
WORDS = st.builds(lambda *parts: "".join(parts), st.sampled_from(["", "(", "“"]), LETTERS,
                  st.sampled_from(["", ".", ",", "!", "…"]), st.sampled_from(["", ")", "”"]))  # fmt: skip


@given(st.lists(WORDS), st.sampled_from(["en", "de", "fr"]))
def test_words_that_are_read_as_written_take_as_long_as_if_they_were_read_out(words: list[str], language: str) -> None:
    text = " ".join(words)
    quick = estimate_words(text, 10_000, language=language)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(word_timing, "_is_read_as_written", lambda word: False)  # pyright: ignore
        assert estimate_words(text, 10_000, language=language) == quick


def test_plain_words_are_not_read_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a word out takes long, and this runs inside the core."""
    read: list[str] = []

    def recorded(word: str, language: str) -> str:
        read.append(word)
        return speakable(word, language)

    monkeypatch.setattr(word_timing, "speakable", recorded)
    estimate_words("“Well, Dr. Smith (my neighbour) paid $3.50 for two apples!”", 3000)
    assert read == ["Dr.", "$3.50"]
