"""How long a pause must last for the turn to be over."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.core.turns.endpointing import LIMITS_MS, MAX_WAIT_MS, MIN_MS, Evidence, pause_limit_ms
from streamsrv.core.turns.sentence_endings import Ending

TEXTS = ["", "What time is it?", "I live in Paris.", "I live in", "um", "apples, pears", "yes"]
EVIDENCE = st.builds(
    Evidence,
    text=st.sampled_from(TEXTS) | st.text(),
    at_pause=st.booleans(),
    language=st.sampled_from(["en", "de", None]),
    turn_probability=st.none() | st.floats(0, 1),
    recognizer_probability=st.none() | st.floats(0, 1),
    longest_pause_ms=st.integers(0, 10_000),
)
EAGERNESS = st.sampled_from(["low", "medium", "high", "auto"])


def limit(text: str = "", **evidence) -> int:
    return pause_limit_ms(Evidence(text, **{"at_pause": True, **evidence}))


def test_every_ending_has_limits():
    assert set(LIMITS_MS) == set(Ending)


def test_what_is_open_gets_more_time_than_what_may_go_on_and_that_more_than_what_is_complete():
    assert (
        limit("The weather in")
        > limit("we went to the station")
        > limit("I live in Paris.")
        > limit("What time is it?")
    )


def test_without_words_the_wait_is_longer_than_after_a_sentence_and_shorter_than_within_one():
    assert limit("I live in Paris.") < limit() < limit("I live in")


def test_words_that_may_be_incomplete_do_not_make_the_wait_short():
    assert limit("What time is it?", at_pause=False) == limit()
    assert limit("I live in", at_pause=False) == limit("I live in")


@pytest.mark.parametrize("language", ["de", None])
def test_words_of_another_language_count_for_nothing(language: str | None):
    assert limit("I live in", language=language) == limit("yes", language=language) == limit()


@pytest.mark.parametrize("text", ["What time is it?", "yes", "I live in Paris."])
def test_complete_words_wait_longer_when_the_voice_is_not_done(text: str):
    assert limit(text) < limit(text, turn_probability=0.05) < limit("I live in")


@pytest.mark.parametrize("text", ["", "I live in", "we went to the station", "um"])
def test_incomplete_words_wait_less_when_the_voice_is_done(text: str):
    assert limit("What time is it?", turn_probability=0.95) < limit(text, turn_probability=0.95) < limit(text)


@pytest.mark.parametrize("text", ["apples, pears", "it's five five five", "B O B"])
def test_each_item_of_a_list_may_sound_like_the_last(text: str):
    assert limit(text, turn_probability=0.99) == limit(text)


@pytest.mark.parametrize("text", TEXTS)
def test_a_voice_that_says_nothing_changes_nothing(text: str):
    assert limit(text, turn_probability=0.5) == limit(text)


def test_a_speaker_who_paused_and_continued_gets_as_much_time_again():
    hurried = {"text": "What time is it?", "turn_probability": 0.95}
    assert limit(**hurried, longest_pause_ms=200) == limit(**hurried)
    assert limit(**hurried, longest_pause_ms=600) == 600


def test_a_very_long_earlier_pause_does_not_make_the_wait_as_long():
    assert limit("What time is it?", longest_pause_ms=5000) < 1000


@pytest.mark.parametrize("text", TEXTS)
def test_eagerness_scales_the_wait_and_auto_is_medium(text: str):
    low, medium, high = (pause_limit_ms(Evidence(text, at_pause=True), eager) for eager in ("low", "medium", "high"))
    assert (low, high) == (2 * medium, max(round(medium / 2), MIN_MS))
    assert limit(text) == medium


@given(EVIDENCE, EAGERNESS)
def test_the_wait_is_bounded(evidence: Evidence, eagerness):
    assert MIN_MS <= pause_limit_ms(evidence, eagerness) <= MAX_WAIT_MS[eagerness]


@pytest.mark.parametrize("judge", ["turn_probability", "recognizer_probability"])
@given(EVIDENCE, st.lists(st.floats(0, 1), min_size=2, max_size=2).map(sorted))
def test_a_more_certain_end_never_waits_longer(judge: str, evidence: Evidence, probabilities: list[float]):
    less, more = (pause_limit_ms(replace(evidence, **{judge: probability})) for probability in probabilities)
    assert more <= less


CLAUSES = ["I live in", "um", "The weather in", "I want to go because"]


@pytest.mark.parametrize("text", ["What time is it?", "yes", "I live in Paris.", "we went to the station", ""])
def test_a_recogniser_that_judges_takes_the_place_of_the_end_of_turn_model(text: str):
    for probability in (0.05, 0.5, 0.95):
        assert limit(text, recognizer_probability=probability) == limit(text, turn_probability=probability)


@pytest.mark.parametrize("text", CLAUSES)
def test_a_recogniser_that_is_sure_does_not_cut_a_speaker_in_a_clause(text: str):
    assert limit(text, recognizer_probability=1.0) == limit(text)
    assert limit(text, recognizer_probability=1.0, turn_probability=0.9) == limit(text, turn_probability=0.9)
    assert limit(text, recognizer_probability=0.1, turn_probability=0.9) > limit(text, turn_probability=0.9)


@pytest.mark.parametrize("text", ["What time is it?", "I live in Paris.", "we went to the station"])
def test_a_recogniser_and_a_model_that_disagree_are_as_good_as_neither(text: str):
    assert limit(text, recognizer_probability=1.0, turn_probability=0.0) == limit(text)
    assert limit(text, recognizer_probability=0.9, turn_probability=0.9) == limit(text, turn_probability=0.9)
