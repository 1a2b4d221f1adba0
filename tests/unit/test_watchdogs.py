"""Watchdogs leave a slow but healthy session alone, in virtual time. `test_simulator.py` tests dead sessions."""

import pytest
from msgspec import structs

from streamsrv.core.answers.responses import STALL_MS
from streamsrv.protocol.session_object import Audio, AudioInput, AudioOutput, ServerVad, Session
from streamsrv.testing.faults import Fault
from streamsrv.testing.invariants import check
from streamsrv.testing.record import Record
from streamsrv.testing.scenario import ChatTraits, RecognizerTraits, Scenario, SynthesizerTraits
from streamsrv.testing.simulated_user import Act, After, Send, say
from streamsrv.testing.simulator import simulate

ALMOST_STALLED_MS = STALL_MS - 1000
QUESTION = (say("please count"),)
PATIENT = Session(
    id="s", expires_at=0, audio=Audio(input=AudioInput(turn_detection=ServerVad(interrupt_response=False)))
)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let conversations continue for long after their last act."""
    monkeypatch.setattr("streamsrv.testing.simulator.MAX_AFTER_SCRIPT_MS", 60 * 60_000)


def outcome(scenario: Scenario) -> tuple[list[str], list[str]]:
    """The statuses of all responses, and the errors that the client was told."""
    record = simulate(scenario)
    check(record)
    return statuses(record), told(record)


def statuses(record: Record) -> list[str]:
    return [event["response"]["status"] for _, event in record.events("response.done")]


def told(record: Record) -> list[str]:
    failed = record.events("conversation.item.input_audio_transcription.failed")
    return [event["error"]["message"] for _, event in [*record.events("error"), *failed]]


@pytest.mark.parametrize("speed", [1.0, 0.25])
def test_a_model_that_trickles_answers_to_the_end(speed: float):
    audio = structs.replace(PATIENT.audio, output=AudioOutput(speed=speed))
    chat = ChatTraits(answers=("One two three. Four five six.",), token_ms=ALMOST_STALLED_MS)
    assert outcome(Scenario(QUESTION, session=structs.replace(PATIENT, audio=audio), chat=chat)) == (["completed"], [])


def test_a_model_that_thinks_long_before_its_first_word_answers():
    chat = ChatTraits(answers=("Forty two.",), first_ms=ALMOST_STALLED_MS)
    assert outcome(Scenario(QUESTION, session=PATIENT, chat=chat)) == (["completed"], [])


def test_a_voice_that_takes_long_for_each_piece_speaks_to_the_end():
    chat = ChatTraits(answers=("One two three four. Five six seven eight.",))
    slow = Fault(first_ms=ALMOST_STALLED_MS, each_ms=ALMOST_STALLED_MS)
    synthesizer = SynthesizerTraits(faults=(slow,) * 8)
    assert outcome(Scenario(QUESTION, session=PATIENT, chat=chat, synthesizer=synthesizer)) == (["completed"], [])


def test_a_recogniser_that_is_just_in_time_is_waited_for():
    recognizer = RecognizerTraits(final_ms=RecognizerTraits().deadline_ms - 100)
    assert outcome(Scenario(QUESTION, session=PATIENT, recognizer=recognizer)) == (["completed"], [])


def test_a_response_that_waits_for_a_slow_recogniser_is_not_stalled_meanwhile():
    clip = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "AAAA" * 160_000}]}
    create = Act(After(0), Send({"type": "conversation.item.create", "item": clip}))
    respond = Act(After(0), Send({"type": "response.create"}))
    script = (create, create, create, create, respond)
    recognizer = RecognizerTraits(final_ms=20_000)
    assert outcome(Scenario(script, session=PATIENT, recognizer=recognizer)) == (["completed"], [])


def test_a_long_segment_of_a_slow_voice_is_played_and_followed_by_the_next():
    """The next segment waits for minutes of playback, which is no stall."""
    long = " ".join(["word"] * 60)
    audio = structs.replace(PATIENT.audio, output=AudioOutput(speed=0.25))
    chat = ChatTraits(answers=(f"{long}. {long}. The end.",))
    session = structs.replace(PATIENT, audio=audio)
    assert outcome(Scenario(QUESTION, session=session, chat=chat)) == (["completed"], [])
