"""Turn detection by voice activity."""

from hypothesis import given
from hypothesis import strategies as st

from streamsrv.core.turns.detector import SpeechStarted, SpeechStopped, TurnDetector, TurnOptions

FRAME_MS = 32


def hear(turns: TurnDetector, *stretches: tuple[float, int]) -> list[SpeechStarted | SpeechStopped]:
    """What a detector says about stretches of (probability, frames), from the start of the audio."""
    now_ms, changes = 0, []
    for probability, frames in stretches:
        for _ in range(frames):
            now_ms += FRAME_MS
            changes += [change for change in [turns.hear(probability, now_ms)] if change]
    return changes


def speech(frames: int) -> tuple[float, int]:
    return 0.9, frames


def silence(frames: int) -> tuple[float, int]:
    return 0.05, frames


def test_a_turn_starts_before_its_first_speech_by_the_prefix_padding():
    turns = TurnDetector(TurnOptions(prefix_padding_ms=300))
    assert hear(turns, silence(30), speech(5)) == [SpeechStarted(30 * FRAME_MS - 300)]


def test_the_prefix_padding_does_not_reach_before_the_start_of_the_audio():
    assert hear(TurnDetector(TurnOptions()), silence(2), speech(5)) == [SpeechStarted(0)]


def test_a_click_of_one_frame_starts_no_turn():
    assert hear(TurnDetector(TurnOptions()), silence(10), speech(1), silence(3), speech(1), silence(10)) == []


def test_a_pause_shorter_than_the_silence_limit_does_not_end_the_turn():
    turns = TurnDetector(TurnOptions(silence_ms=500))
    assert hear(turns, speech(20), silence(15), speech(10)) == [SpeechStarted(0)]


def test_a_turn_ends_when_the_silence_limit_is_reached():
    turns = TurnDetector(TurnOptions(silence_ms=500))
    assert hear(turns, speech(20), silence(20)) == [SpeechStarted(0), SpeechStopped((20 + 16) * FRAME_MS)]


def test_a_sound_that_may_begin_a_turn_goes_on_just_below_the_threshold_but_does_not_begin_there():
    assert hear(TurnDetector(TurnOptions(threshold=0.5)), (0.4, 20)) == []
    assert hear(TurnDetector(TurnOptions(threshold=0.5)), speech(1), (0.4, 1)) == [SpeechStarted(0)]


def test_in_a_turn_a_pause_begins_right_below_the_threshold():
    turns = TurnDetector(TurnOptions(threshold=0.5, silence_ms=96))
    assert hear(turns, speech(5), (0.4, 3)) == [SpeechStarted(0), SpeechStopped((5 + 3) * FRAME_MS)]


def test_the_padding_of_a_turn_does_not_reach_into_the_turn_before():
    turns = TurnDetector(TurnOptions(silence_ms=96, prefix_padding_ms=300))
    changes = hear(turns, speech(10), silence(3), speech(10))
    assert changes[1] == SpeechStopped(13 * FRAME_MS)
    assert changes[2] == SpeechStarted(13 * FRAME_MS)


def test_ending_a_turn_by_hand_lets_the_same_speech_start_a_new_one():
    turns = TurnDetector(TurnOptions())
    hear(turns, speech(10))
    turns.end_turn()
    assert not turns.speaking
    assert turns.hear(0.9, 11 * FRAME_MS) is None
    assert turns.hear(0.9, 12 * FRAME_MS) == SpeechStarted(10 * FRAME_MS)


@given(st.lists(st.floats(0, 1), max_size=200), st.integers(0, 1000), st.integers(0, 1000))
def test_starts_and_stops_alternate_and_never_go_back_in_time(
    probabilities: list[float], silence_ms: int, padding_ms: int
):
    turns = TurnDetector(TurnOptions(silence_ms=silence_ms, prefix_padding_ms=padding_ms))
    changes = hear(turns, *[(probability, 1) for probability in probabilities])
    assert [type(change) for change in changes] == ([SpeechStarted, SpeechStopped] * len(changes))[: len(changes)]
    assert [change.at_ms for change in changes] == sorted(change.at_ms for change in changes)
