"""Estimating where words are heard."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.engines.tts.base import SpokenWord
from streamsrv.text.speakable import spoken_text
from streamsrv.text.word_timing import estimate_words

LATIN = st.text(st.sampled_from("abc ,.$5%€é😀*`\n"), max_size=80)


def lengths(text: str) -> dict[str, int]:
    return {word.text: word.end_ms - word.start_ms for word in estimate_words(text, 10_000)}


@given(st.one_of(st.text(), LATIN), st.integers(0, 60_000), st.integers(0, 60_000))
def test_the_words_fill_the_speech_in_order(text: str, duration_ms: int, offset_ms: int) -> None:
    words = estimate_words(text, duration_ms, offset_ms)
    assert "".join(word.text for word in words) == "".join(text.split())
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


@pytest.mark.parametrize(
    ("language", "text", "longer", "shorter"),
    [
        ("de", "Das kostet 1.234,50 € ungefähr heute.", "1.234,50", "ungefähr"),
        ("ru", "Это стоит 1234 рубля примерно", "1234", "примерно"),
        ("en", "It is **very** extraordinarily &amp; good", "extraordinarily", "&amp;"),
        ("zh", "我有2026年的书", "2026", "书"),
    ],
)
def test_a_word_is_as_long_as_it_sounds_in_its_language(language: str, text: str, longer: str, shorter: str) -> None:
    length = {word.text: word.end_ms - word.start_ms for word in estimate_words(text, 10_000, language=language)}
    assert length[longer] > length[shorter]


def test_where_no_spaces_separate_words_each_character_is_one() -> None:
    assert [word.text for word in estimate_words("東京へ、 go now。", 1000, language="ja")] == [
        "東", "京", "へ、", "go", "now。",
    ]  # fmt: skip


def test_words_that_are_said_together_share_their_time() -> None:
    words = estimate_words(spoken_text("On Nov. 5, 2026 we met."), 4000)
    assert [word.text for word in words] == ["On", "Nov.", "5,", "2026", "we", "met."]
    assert all(word.end_ms - word.start_ms > 200 for word in words if word.text in ("Nov.", "5,", "2026"))


def test_a_segment_that_begins_in_a_number_is_timed_as_it_is_spoken() -> None:
    speech = spoken_text("345 apples", starts_in_number=True)
    assert speech.spoken == "three four five apples"
    assert [word.text for word in estimate_words(speech, 1000)] == ["345", "apples"]
