"""When a session needs each frame of audio at once, and when frames may be batched."""

from harness import Talk, of_type
from streamsrv.core.effects import Effect, SetFramePacing
from streamsrv.core.turns.turn_taking import IMMEDIATE_MS
from streamsrv.engines.llm.base import Finished
from streamsrv.protocol.session_object import Audio, AudioInput


def attention(effects: list[Effect]) -> list[bool]:
    return [effect.immediate for effect in of_type(effects, SetFramePacing)]


def quiet_room(**session) -> Talk:
    """A session in which nothing has been said for long enough."""
    talk = Talk(**session)
    assert attention(talk.silence(2 * IMMEDIATE_MS)) == [False]
    return talk


def test_a_session_attends_at_first():
    talk = Talk()
    assert attention([*talk.all, *talk.silence(IMMEDIATE_MS - 64)]) == []


def test_the_first_frame_of_speech_wakes_it():
    talk = quiet_room()
    assert attention(talk.speech(32)) == [True]


def test_it_attends_through_a_pause_however_long():
    talk = Talk(audio=Audio(input=AudioInput()))
    talk.update(audio={"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 8000}}})
    talk.speech()
    assert attention(talk.silence(7000)) == []


def test_it_attends_while_an_answer_is_played_and_may_be_interrupted():
    talk = quiet_room()
    talk.says("Count.")
    talk.model("One two three four. Five six seven eight.", Finished("stop"))
    talk.synthesize(ms_per_character=100)
    assert attention(talk.silence(4000)) == []
    assert attention(talk.silence(4000)) == [False]


def test_without_turn_detection_it_attends_from_speech_to_commit():
    talk = quiet_room(audio=Audio(input=AudioInput(turn_detection=None)))
    talk.speech()
    assert attention(talk.silence(8000)) == []
    talk.client('{"type": "input_audio_buffer.commit"}')
    assert attention(talk.silence(2 * IMMEDIATE_MS)) == [False]
