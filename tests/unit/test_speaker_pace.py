"""How long one speaker pauses, as a factor of the wait in a pause."""

from hypothesis import given
from hypothesis import strategies as st

from streamsrv.core.turns.speaker_pace import MAX_PACE, MIN_PACE, USUAL_PAUSE_MS, SpeakerPace

LATE_MS = 60_000  # between two turns


class Speaker:
    """Says turns, and a pause in each of them; times are ms."""

    def __init__(self) -> None:
        self.pace = SpeakerPace()
        self.now_ms = 0

    def turn(self, *pauses_ms: int, speech_ms: int = 4000, after_ms: int = LATE_MS, limit_ms: int = 800) -> None:
        self.now_ms += after_ms
        self.pace.begin_turn(self.now_ms)
        for pause_ms in pauses_ms:
            self.pace.follow(0, pause_ms, speaks=False)
            self.pace.follow(0, 0, speaks=True)
        self.now_ms += speech_ms + limit_ms
        self.pace.end_turn(speech_ms, self.now_ms - limit_ms, self.now_ms)


def pace_after(*pauses_ms: int) -> float:
    speaker = Speaker()
    for pause_ms in pauses_ms:
        speaker.turn(pause_ms)
    return speaker.pace.factor


def test_an_unknown_speaker_has_the_usual_pace():
    assert SpeakerPace().factor == 1
    assert pace_after(round(USUAL_PAUSE_MS)) == 1


def test_long_pauses_lengthen_the_wait_slowly():
    assert 1 < pace_after(1000) < 1.1, "one odd pause does little"
    assert pace_after(1000) < pace_after(*[1000] * 5) < pace_after(*[1000] * 20) <= MAX_PACE


def test_short_pauses_and_turns_without_one_shorten_it():
    assert pace_after(*[210] * 10) < pace_after(210) < 1
    fluent = Speaker()
    for _ in range(10):
        fluent.turn()
    assert MIN_PACE <= fluent.pace.factor < 0.9


def test_short_turns_and_silences_between_words_tell_nothing():
    speaker = Speaker()
    for _ in range(10):
        speaker.turn(96, speech_ms=600)
    assert speaker.pace.factor == 1


def test_a_turn_that_goes_on_shortly_after_its_end_was_a_pause():
    resumed, new = Speaker(), Speaker()
    for speaker, after_ms in ((resumed, 300), (new, 1500)):
        speaker.turn(speech_ms=600)
        speaker.turn(speech_ms=600, after_ms=after_ms)
    assert new.pace.factor == 1 < resumed.pace.factor


def test_a_click_in_a_pause_does_not_end_it():
    clicked = Speaker()
    clicked.pace.begin_turn(0)
    clicked.pace.follow(0, 900, speaks=False)
    clicked.pace.follow(32, 0, speaks=False)
    clicked.pace.end_turn(600, 1000, 2000)
    assert clicked.pace.factor == 1, "the speaker did not go on"


def test_new_pauses_count_more_than_old_ones():
    assert pace_after(*[1000] * 20, *[210] * 20) < pace_after(*[210] * 20, *[1000] * 20)


@given(st.lists(st.integers(0, 60_000), max_size=100))
def test_the_factor_is_bounded(pauses_ms: list[int]):
    assert MIN_PACE <= pace_after(*pauses_ms) <= MAX_PACE
