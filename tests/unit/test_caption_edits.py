"""Changed captions: the words that stay keep their times, and the new ones share those of the old."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.captions.edits import corrected, edited
from streamsrv.engines.asr.base import RecognizedUtterance, Word
from streamsrv.text.replacements import Replacement, Replacements


def said(text: str) -> RecognizedUtterance:
    words = tuple(Word(word, 100 * at, 100 * at + 100) for at, word in enumerate(text.split()))
    return RecognizedUtterance(text, 0, 100 * len(words), words)


def times(utterance: RecognizedUtterance) -> list[tuple[str, int, int]]:
    return [(word.text, word.start_ms, word.end_ms) for word in utterance.words]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one too three", [("one", 0, 100), ("too", 100, 200), ("three", 200, 300)]),
        ("one three", [("one", 0, 100), ("three", 200, 300)]),
        ("one two three four", [("one", 0, 100), ("two", 100, 200), ("three", 200, 254), ("four", 255, 300)]),
        ("nil one two three", [("nil", 0, 50), ("one", 50, 100), ("two", 100, 200), ("three", 200, 300)]),
        ("one two three", [("one", 0, 100), ("two", 100, 200), ("three", 200, 300)]),
        ("all new", [("all", 0, 150), ("new", 150, 300)]),
        ("", []),
    ],
)
def test_a_correction_keeps_the_times_of_the_words_that_stay(text: str, expected: list):
    after = corrected(said("one two three"), text)
    assert (after.text, after.start_ms, after.end_ms) == (text, 0, 300)
    assert times(after) == expected


def test_a_caption_without_word_times_gets_them_from_its_correction():
    after = corrected(RecognizedUtterance("", 1000, 2000), "two words")
    assert [(word.start_ms >= 1000, word.end_ms <= 2000) for word in after.words] == [(True, True)] * 2


def edits(utterance: RecognizedUtterance, *entries: tuple) -> RecognizedUtterance:
    return edited(utterance, Replacements(Replacement(*entry) for entry in entries).edits(utterance.text))


def test_replaced_words_share_the_time_of_those_before():
    after = edits(said("the stream serve, in the US now"), ("stream serve", "streamsrv"), ("us", "United States"))
    assert after.text == "the streamsrv, in the United States now"
    assert times(after) == [
        ("the", 0, 100), ("streamsrv,", 100, 300), ("in", 300, 400), ("the", 400, 500),
        ("United", 500, 550), ("States", 550, 600), ("now", 600, 700),
    ]  # fmt: skip


def test_words_that_are_replaced_by_nothing_are_gone():
    after = edits(said("um yes um"), ("um", ""))
    assert (after.text, times(after)) == ("yes", [("yes", 100, 200)])


def test_nothing_changes_without_a_match():
    before = said("one two")
    assert edits(before, ("three", "3")) is before


def test_words_that_are_not_those_of_the_text_are_spread_anew():
    strange = RecognizedUtterance("one two", 0, 200, (Word("eins", 0, 100), Word("zwei", 100, 200)))
    assert [word.text for word in edits(strange, ("two", "2")).words] == ["one", "2"]


@given(st.lists(st.sampled_from("a b c d".split()), max_size=12), st.lists(st.sampled_from("a b c d e".split())))
def test_the_words_are_those_of_the_text_and_in_order(before: list[str], after: list[str]):
    utterance = corrected(said(" ".join(before)), " ".join(after))
    assert [word.text for word in utterance.words] == after
    assert sorted(utterance.words, key=lambda word: word.start_ms) == list(utterance.words)
    entry = ("a b", "x y z"), ("c", ""), ("d", "d d")
    changed = edits(said(" ".join(before)), *entry)
    assert " ".join(word.text for word in changed.words) == " ".join(changed.text.split())
    assert all(one.end_ms <= other.end_ms for one, other in zip(changed.words, changed.words[1:], strict=False))
