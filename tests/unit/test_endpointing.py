"""How long a pause must last for the turn to be over."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.core.turns.endpointing import MAX_WAIT_MS, MIN_MS, Evidence, pause_limit_ms
from streamsrv.engines.turn.base import WordsEnding

PROBABILITY = st.floats(0, 1)
EVIDENCE = st.builds(
    Evidence,
    text=st.text(),
    at_pause=st.booleans(),
    words=st.none() | st.builds(WordsEnding, PROBABILITY, PROBABILITY),
    voice=st.none() | PROBABILITY,
    recognizer_probability=st.none() | PROBABILITY,
)
EAGERNESS = st.sampled_from(["low", "medium", "high", "auto"])


def limit(**evidence) -> int:
    return pause_limit_ms(Evidence("words", at_pause=True, **evidence))


def test_words_that_end_wait_less_than_none_and_these_less_than_words_that_go_on():
    assert limit(words=WordsEnding(0.5, 0.5)) < limit() < limit(words=WordsEnding(1e-5, 1e-5))


def test_a_voice_that_is_done_waits_less():
    assert limit(voice=1.0) < limit() < limit(voice=0.0)


def test_the_score_and_the_limit_of_known_evidence():
    # s = 0.412 + 1.149 * 0.5 + 0.0883 * logit(0.01) + 0.0704 * logit(0.001); 803 ms * exp(-s)
    assert limit(words=WordsEnding(0.01, 0.001), voice=0.5) == 731


def test_without_any_evidence_the_limit_is_a_fixed_silence():
    assert limit() == 914


def test_beyond_a_bound_more_evidence_changes_nothing():
    assert limit(words=WordsEnding(1, 1), voice=1.0) == limit(words=WordsEnding(0.9, 0.9), voice=1.0) == 446
    assert limit(words=WordsEnding(0, 0), voice=0.0) == limit(words=WordsEnding(1e-6, 1e-6), voice=0.0) == 1446


def test_a_recogniser_that_judges_takes_the_place_of_the_end_of_turn_model_or_shares_it():
    assert limit(recognizer_probability=0.8) == limit(voice=0.8)
    assert limit(recognizer_probability=0.8, voice=0.2) == limit(voice=0.5)


def test_eagerness_scales_the_wait_and_auto_is_medium():
    low, medium, high, auto = (pause_limit_ms(Evidence(), eager) for eager in ("low", "medium", "high", "auto"))
    assert (low, high, auto) == (pytest.approx(2 * medium, abs=1), pytest.approx(medium / 2, abs=1), medium)


def test_the_pace_of_a_speaker_scales_the_wait():
    assert pause_limit_ms(Evidence(), pace=1.5) == pytest.approx(1.5 * pause_limit_ms(Evidence()), abs=1)


@given(EVIDENCE, EAGERNESS, st.floats(0.5, 2))
def test_the_wait_is_bounded(evidence: Evidence, eagerness, pace: float):
    assert MIN_MS <= pause_limit_ms(evidence, eagerness, pace) <= MAX_WAIT_MS[eagerness]


@pytest.mark.parametrize("judge", ["voice", "recognizer_probability"])
@given(EVIDENCE, st.lists(PROBABILITY, min_size=2, max_size=2).map(sorted))
def test_a_more_certain_end_never_waits_longer(judge: str, evidence: Evidence, probabilities: list[float]):
    less, more = (pause_limit_ms(replace(evidence, **{judge: probability})) for probability in probabilities)
    assert more <= less
