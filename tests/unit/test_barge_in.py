"""Speech while a reply plays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.core.turns.barge_in import Overlap, Verdict, classify

PLAYING = "The capital of France is Paris, and it lies on the Seine."


def verdict(
    text: str = "",
    *,
    at_pause: bool = False,
    speech_ms: int = 400,
    pause_ms: int = 0,
    is_over: bool = False,
    quieter_db: float | None = None,
    since_hold_ms: int | None = None,
    over_echo_db: float | None = None,
) -> Verdict:
    overlap = Overlap(text, at_pause, speech_ms, pause_ms, PLAYING, is_over, quieter_db, since_hold_ms, over_echo_db)
    return classify(overlap)


@pytest.mark.parametrize("text", ["Stop.", "No, wait", "what about Rome", "yes but", "France", "I see a bug"])
def test_words_with_a_meaning_interrupt(text: str):
    assert verdict(text) is Verdict.INTERRUPTED


@pytest.mark.parametrize("text", ["Mhm.", "Yeah, yeah.", "Right", "Uh huh", "okay", "Oh, wow!", "Yeah, I see."])
def test_backchannels_do_not(text: str):
    assert verdict(text) is Verdict.UNDECIDED
    assert verdict(text, at_pause=True, pause_ms=100) is Verdict.DISREGARDED


def test_a_short_sound_without_words_is_a_noise():
    assert verdict(speech_ms=96, pause_ms=128) is Verdict.UNDECIDED
    assert verdict(speech_ms=96, pause_ms=416) is Verdict.DISREGARDED
    assert verdict("Stop.", speech_ms=160, pause_ms=160, at_pause=True) is Verdict.INTERRUPTED


def test_when_the_reply_is_over_a_short_sound_waits_for_its_words():
    assert verdict(speech_ms=160, pause_ms=600, is_over=True) is Verdict.UNDECIDED


def test_a_longer_sound_waits_for_its_words():
    assert verdict(speech_ms=400, pause_ms=128) is Verdict.UNDECIDED
    assert verdict(speech_ms=400, pause_ms=200, at_pause=True) is Verdict.DISREGARDED


def test_speech_that_goes_on_interrupts_without_words():
    assert verdict(speech_ms=900) is Verdict.INTERRUPTED
    assert verdict("mhm", speech_ms=900) is Verdict.INTERRUPTED


@pytest.mark.parametrize("text", ["the capital of France", "of France is Paris and it", "capital of fans is Paris and"])
def test_our_own_voice_does_not_interrupt(text: str):
    assert verdict(text, speech_ms=2000) is Verdict.UNDECIDED
    assert verdict(text, at_pause=True, speech_ms=2000, pause_ms=100) is Verdict.DISREGARDED


def test_one_word_just_played_waits_for_more():
    assert verdict("Seine", speech_ms=2000) is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("quieter_db", "expected"),
    [(0, Verdict.INTERRUPTED), (5, Verdict.INTERRUPTED), (8, Verdict.DISREGARDED), (None, Verdict.DISREGARDED)],
)
def test_one_word_just_played_is_an_echo_if_it_is_quiet(quieter_db: float | None, expected: Verdict):
    assert verdict("Seine", at_pause=True, pause_ms=100, quieter_db=quieter_db) is expected


def test_when_the_reply_is_over_yes_is_an_answer_and_an_echo_still_is_none():
    assert verdict("Yes.", is_over=True) is Verdict.INTERRUPTED
    assert verdict("it lies on the Seine", is_over=True, at_pause=True, pause_ms=100) is Verdict.DISREGARDED


def test_what_falls_silent_when_we_do_was_our_echo_whatever_its_words():
    assert verdict("This took", since_hold_ms=200, pause_ms=96) is Verdict.UNDECIDED
    assert verdict("This took", since_hold_ms=200, pause_ms=320) is Verdict.DISREGARDED
    assert verdict("This took", since_hold_ms=200, pause_ms=320, quieter_db=10) is Verdict.DISREGARDED


@pytest.mark.parametrize(
    ("text", "traits"),
    [
        ("This took", {"since_hold_ms": 500}),  # it went on
        ("This took", {"since_hold_ms": 200, "quieter_db": 1}),  # as loud as the user
        ("Stop.", {"since_hold_ms": 200}),
    ],
)
def test_people_interrupt_a_reply_that_is_held(text: str, traits: dict[str, float]):
    assert verdict(text, pause_ms=96, **traits) is Verdict.INTERRUPTED


def test_where_there_is_an_echo_who_is_louder_interrupts():
    assert verdict("This took a while", speech_ms=3000, over_echo_db=1) is Verdict.UNDECIDED
    assert verdict("This took a while", speech_ms=3000, over_echo_db=1, pause_ms=320) is Verdict.DISREGARDED
    assert verdict("This took a while", speech_ms=3000, over_echo_db=9) is Verdict.INTERRUPTED
    assert verdict("Stop it", over_echo_db=1) is Verdict.INTERRUPTED


@given(st.builds(Overlap, speech_ms=st.integers(0, 3000), pause_ms=st.integers(0, 3000)))
def test_every_case_has_a_verdict(overlap: Overlap):
    assert isinstance(classify(overlap), Verdict)
