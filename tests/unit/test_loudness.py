"""How loud the user is, and an echo."""

import pytest

from streamsrv.core.turns.loudness import Loudness


def speak(loudness: Loudness, level_db: float, frames: int = 20) -> Loudness:
    for _ in range(frames):
        loudness.hear(level_db)
    return loudness


def test_nothing_is_known_at_first():
    loudness = speak(Loudness(), -30)
    assert (loudness.quieter_db, loudness.over_echo_db) == (None, None)


def test_speech_is_compared_with_the_turns_before_it():
    loudness = speak(Loudness(), -20)
    loudness.end_turn()
    assert speak(loudness, -32).quieter_db == pytest.approx(12)


def test_speech_is_compared_with_the_echoes_before_it():
    loudness = speak(Loudness(), -40)
    loudness.end_echo()
    assert speak(loudness, -38).over_echo_db == pytest.approx(2)
    assert speak(loudness, -20).over_echo_db == pytest.approx(18, abs=3)  # the user joins in


def test_discarded_speech_does_not_count():
    loudness = speak(Loudness(), -20)
    loudness.end_turn()
    speak(loudness, -50)
    loudness.discard()
    assert speak(loudness, -20).quieter_db == pytest.approx(0)


def test_frames_that_were_not_measured_do_not_count():
    loudness = Loudness()
    loudness.hear(None)
    loudness.end_turn()
    assert speak(loudness, -20).quieter_db is None


def test_an_echo_is_no_louder_than_it_was_beside_its_reply():
    loudness = Loudness()
    assert not loudness.is_echo(-50, -20)  # nothing is known
    speak(loudness, -50)
    loudness.end_echo(reply_db=-20)
    assert loudness.is_echo(-46, -20)
    assert not loudness.is_echo(-40, -20)
    assert not loudness.is_echo(-46, -30)  # a softer reply has a softer echo
    assert not loudness.is_echo(-50, None)  # nothing is played


def test_the_level_of_an_echo_is_not_learnt_from_what_is_as_loud_as_the_user():
    loudness = speak(Loudness(), -34)
    loudness.end_turn()
    speak(loudness, -36)
    loudness.end_echo(reply_db=-20)
    assert not loudness.knows_echo


def test_what_was_taken_for_an_echo_is_forgotten_if_the_user_turns_out_to_be_as_soft():
    loudness = speak(Loudness(), -40)
    loudness.end_echo(reply_db=-20)
    assert loudness.knows_echo
    speak(loudness, -38)
    loudness.end_turn()
    assert not loudness.knows_echo


def test_speech_is_not_compared_with_a_cough_as_loud_as_the_user():
    loudness = speak(Loudness(), -26)
    loudness.end_turn()
    speak(loudness, -40)
    loudness.end_echo()
    speak(loudness, -27)
    loudness.end_echo()
    assert speak(loudness, -26).over_echo_db == pytest.approx(14)


def test_speech_is_not_compared_with_what_was_as_loud_as_the_user_turns_out_to_be():
    loudness = speak(Loudness(), -27)
    loudness.end_echo()
    speak(loudness, -26)
    loudness.end_turn()
    assert speak(loudness, -26).over_echo_db is None
