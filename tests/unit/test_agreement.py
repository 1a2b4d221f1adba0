"""LocalAgreement: which words become stable, and that they are given out once and never taken back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.engines.asr.windows.agreement import Agreement
from streamsrv.text.words import bare, join_words, split_words

WORDS = st.lists(st.sampled_from(["a", "A,", "b", "c.", "every", "one", "everyone"]), max_size=8).map(tuple)
DISTINCT = st.lists(st.integers(0, 99).map(str), unique=True, min_size=1, max_size=12).map(tuple)


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def accepted(*hypotheses: str) -> list[str]:
    agreement = Agreement()
    return [" ".join(agreement.accept(words(hypothesis))) for hypothesis in hypotheses]


def test_words_are_stable_when_two_hypotheses_in_a_row_agree():
    assert accepted("it was the", "it was the best of", "it was the best of times") == ["", "it was the", "best of"]


def test_one_hypothesis_is_not_enough():
    assert accepted("it was", "he was the", "it was") == ["", "", ""]


def test_case_and_punctuation_do_not_matter_and_the_newest_spelling_is_used():
    assert accepted("IT was, the", "It was the best") == ["", "It was the"]


def test_the_newest_word_is_held_back():
    assert accepted("it was", "it was") == ["", "it"]


def test_the_newest_word_is_stable_too_when_the_audio_ends_in_a_pause():
    agreement = Agreement()
    agreement.accept(words("it was"))
    assert agreement.accept(words("it was"), complete=True) == words("it was")
    assert agreement.tentative == ()


def test_what_is_not_stable_is_tentative():
    agreement = Agreement()
    agreement.accept(words("it was the"))
    agreement.accept(words("it was a dog"))
    assert agreement.tentative == words("a dog")


@pytest.mark.parametrize(
    ("whole", "split"),
    [("block-books,", "block books,"), ("everyone", "every one"), ("ice-cream", "Ice cream")],
)
def test_a_word_that_is_split_or_joined_later_is_not_doubled(whole: str, split: str):
    for first, later in ((whole, split), (split, whole)):
        agreement = Agreement()
        for hypothesis in (f"the {first} which", f"the {first} which were", f"the {later} which were cut"):
            agreement.accept(words(hypothesis))
        assert agreement.tentative == ("cut",)
        agreement = Agreement()
        for hypothesis in (f"the {first} which", f"the {first} which", f"the {later} which were"):
            agreement.accept(words(hypothesis))
        assert agreement.tentative == ("were",)


def test_a_revision_of_stable_words_does_not_repeat_or_lose_the_words_after_them():
    assert accepted("every one knows that", "every one knows that it", "everyone knows that it is", "") == [
        "",
        "every one knows that",
        "it",
        "",
    ]


def test_closing_a_part_gives_out_the_rest_of_it():
    agreement = Agreement()
    agreement.accept(words("it was the"))
    agreement.accept(words("it was the best"))
    assert agreement.close(words("it was the best of times")) == words("best of times")
    assert agreement.tentative == ()


def test_words_beyond_the_end_of_a_part_are_not_given_out_again():
    agreement = Agreement()
    agreement.accept(words("it was the best of times it"))
    agreement.accept(words("it was the best of times it was"))
    assert agreement.close(words("it was the best"), continues=True) == ()
    assert agreement.accept(words("of times it was")) == ()
    assert agreement.accept(words("of times it was the")) == words("was")


def test_a_part_that_ends_in_a_pause_leaves_no_words_to_the_next():
    agreement = Agreement()
    agreement.accept(words("yes yes no"))
    agreement.accept(words("yes yes no"))
    agreement.close(words("yes"))
    assert agreement.accept(words("yes please")) == ()
    assert agreement.tentative == words("yes please")


@given(st.lists(st.tuples(WORDS, st.booleans())))
def test_what_becomes_stable_was_in_both_of_the_last_two_hypotheses(hypotheses):
    agreement = Agreement()
    before: list[str] = []
    for hypothesis, complete in hypotheses:
        now = [bare(word) for word in hypothesis]
        stable = [bare(word) for word in agreement.accept(hypothesis, complete=complete)]
        assert all(contains(heard, stable) for heard in (before, now))
        assert complete or not stable or len(stable) < len(now)
        before = now


@given(DISTINCT, st.lists(st.integers(0, 12)))
def test_hypotheses_that_only_grow_give_the_text_once(text, lengths):
    agreement = Agreement()
    stable: tuple[str, ...] = ()
    for length in sorted(lengths):
        stable += agreement.accept(text[:length])
        assert stable + agreement.tentative == text[:length]
    assert stable + agreement.close(text) == text


@given(DISTINCT, st.data())
def test_cutting_speech_anywhere_gives_the_text_once(text, data):
    cut = data.draw(st.integers(0, len(text)))
    heard = data.draw(st.lists(st.integers(0, len(text))))
    agreement = Agreement()
    stable: tuple[str, ...] = ()
    for length in sorted(heard):
        stable += agreement.accept(text[:length])
    stable += agreement.close(text[:cut], continues=True)
    for length in sorted(heard):
        stable += agreement.accept(text[cut : cut + length])
    assert stable + agreement.close(text[cut:]) == text


def test_scripts_without_spaces_are_split_by_character_and_joined_without_spaces():
    assert split_words("我们 GPT，ok go") == ("我", "们", "GPT", "，", "ok", "go")
    assert join_words(split_words("我们去，ok go")) == "我们去，ok go"


@given(st.lists(WORDS).map(lambda parts: [join_words(part) for part in parts]))
def test_joining_pieces_keeps_the_words(pieces):
    assert list(split_words(join_words(pieces))) == [word for piece in pieces for word in split_words(piece)]


def contains(heard: list[str], part: list[str]) -> bool:
    return any(heard[start : start + len(part)] == part for start in range(len(heard) - len(part) + 1))
