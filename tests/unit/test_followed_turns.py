"""Scores of a streaming end-of-turn model in the core: which turns it hears, and what its scores change."""

from harness import Talk, of_type, types
from streamsrv.core.effects import FollowTurn, LeaveTurn
from streamsrv.core.inputs import TurnScored
from streamsrv.core.turns.barge_in import Overlap, Verdict, classify


def semantic() -> Talk:
    talk = Talk()
    talk.client('{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":'
                '{"type":"semantic_vad"}}}}}')  # fmt: skip
    return talk


def ends_within(ms: int, scored_ms: int, voice: float) -> bool:
    """Whether a turn with a pause of 224 ms, and a score of the moment `scored_ms` before now, ends so soon after."""
    talk = semantic()
    talk.speech()
    talk.silence(224)
    talk.give(TurnScored(talk.heard_ms - scored_ms, voice))
    return "input_audio_buffer.speech_stopped" in types(talk.silence(ms))


def test_the_model_hears_each_turn_from_its_speech_to_its_end():
    talk = semantic()
    talk.silence(320)
    talk.speech()
    [followed] = of_type(talk.all, FollowTurn)
    assert 256 <= followed.from_ms <= 384
    assert not of_type(talk.all, LeaveTurn)
    talk.silence(2000)
    assert len(of_type(talk.all, LeaveTurn)) == 1
    talk.speech()
    assert len(of_type(talk.all, FollowTurn)) == 2


def test_server_vad_has_no_use_for_the_model():
    talk = Talk()
    talk.speech()
    talk.silence(2000)
    assert not of_type(talk.all, FollowTurn)


def test_the_newest_score_of_a_pause_shortens_or_lengthens_it():
    assert ends_within(704, 32, 1.0)
    assert not ends_within(704, 32, 0.0)


def test_a_score_of_the_speech_before_the_pause_changes_nothing():
    assert [ends_within(ms, 192, 1.0) for ms in range(320, 1300, 64)] == [
        ends_within(ms, 192, 0.0) for ms in range(320, 1300, 64)
    ]


def overlap(text: str = "", *, backchannel: float | None, speech_ms: int = 400, pause_ms: int = 0) -> Verdict:
    return classify(
        Overlap(
            text=text,
            language="en",
            at_pause=False,
            speech_ms=speech_ms,
            pause_ms=pause_ms,
            playing="The capital of France is Paris.",
            quieter_db=0.0,
            backchannel=backchannel,
        )
    )


def test_speech_that_certainly_takes_the_floor_interrupts_without_words():
    assert overlap(backchannel=0.05) is Verdict.INTERRUPTED
    assert overlap(backchannel=0.5) is Verdict.UNDECIDED
    assert overlap(backchannel=None) is Verdict.UNDECIDED
    assert overlap(backchannel=0.05, speech_ms=64) is Verdict.UNDECIDED


def test_a_likely_backchannel_in_any_language_does_not_interrupt_but_a_stop_word_or_a_sentence_does():
    assert overlap("ja genau", backchannel=None) is Verdict.INTERRUPTED
    assert overlap("ja genau", backchannel=0.9) is Verdict.UNDECIDED
    assert overlap("", backchannel=0.9, pause_ms=420) is Verdict.DISREGARDED
    assert overlap("stop", backchannel=0.9) is Verdict.INTERRUPTED
    assert overlap("ja aber was kostet das", backchannel=0.9) is Verdict.INTERRUPTED
