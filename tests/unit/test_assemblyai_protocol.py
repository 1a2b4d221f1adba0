"""What AssemblyAI's messages and codes mean."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.engines.asr.universal_streaming.protocol import (
    Begin,
    Cause,
    ErrorMessage,
    GarbageError,
    Termination,
    Turn,
    problem_of,
    query,
    read_message,
    update_configuration,
)

WORD = {"text": "hi", "start": 1920, "end": 2000, "confidence": 0.87, "word_is_final": True}
TURN = {
    "type": "Turn",
    "turn_order": 0,
    "turn_is_formatted": False,
    "end_of_turn": False,
    "transcript": "hi",
    "utterance": "",
    "end_of_turn_confidence": 0.01,
    "words": [WORD],
}


def read(**changes):
    return read_message(json.dumps({**TURN, **changes}))


def test_messages_as_published():
    assert isinstance(read_message('{"type":"Begin","id":"x","expires_at":1759796682}'), Begin)
    turn = read()
    assert isinstance(turn, Turn)
    assert (turn.transcript, turn.words[0].start, turn.end_of_turn_confidence) == ("hi", 1920, 0.01)
    assert read_message('{"type":"Termination","audio_duration_seconds":12}') == Termination(12)
    error = ErrorMessage("bad", 3006)
    assert read_message('{"type":"Error","error_code":3006,"error":"bad"}') == error
    assert read_message('{"error_code":3006,"error":"bad"}') == error


@pytest.mark.parametrize("kind", ["SpeechStarted", "Heartbeat", "Warning", "SomethingNew"])
def test_types_that_are_not_needed_are_ignored(kind: str):
    assert read_message(json.dumps({"type": kind, "words": 5})) is None


def test_fields_that_are_not_known_are_ignored_and_those_that_may_lack_may_lack():
    assert read(words=[{**WORD, "speaker": "A"}], speaker_label="A") == read()
    assert isinstance(read(words=[{"text": "x", "start": 0, "end": 0, "word_is_final": True}]), Turn)


@pytest.mark.parametrize(
    "changes",
    [
        {"turn_order": -1},
        {"turn_order": "0"},
        {"turn_order": None},
        {"end_of_turn": "true"},
        {"transcript": 5},
        {"words": None},
        {"words": ["hi"]},
        {"words": [{**WORD, "start": -1}]},
        {"words": [{**WORD, "end": 1e300}]},
        {"words": [{**WORD, "text": None}]},
        {"end_of_turn_confidence": "high"},
    ],
)
def test_a_turn_that_cannot_be_is_garbage(changes: dict):
    with pytest.raises(GarbageError):
        read(**changes)


def test_odd_numbers_are_cut():
    turn = read(end_of_turn_confidence=7, words=[{**WORD, "end": 3, "confidence": -2}])
    assert isinstance(turn, Turn)
    assert turn.end_of_turn_confidence == 1
    assert (turn.words[0].end, turn.words[0].confidence) == (1920, 0)


@given(st.binary() | st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_nothing_else_than_garbage_is_raised(data: bytes | str):
    with suppress(GarbageError):
        read_message(data)


def test_garbage_is_quoted_shortly():
    with pytest.raises(GarbageError) as raised:
        read(words=["x" * 100_000])
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    ("code", "message", "cause"),
    [
        (1008, "Unauthorized Connection: Invalid API key", Cause.KEY_REFUSED),
        (1008, "Unauthorized Connection: Too many concurrent sessions", Cause.OVERLOADED),
        (401, "", Cause.KEY_REFUSED),
        (4001, "Not Authorized", Cause.KEY_REFUSED),
        (402, "", Cause.UNPAID),
        (4002, "Insufficient Funds", Cause.UNPAID),
        (429, "", Cause.OVERLOADED),
        (3009, "", Cause.OVERLOADED),
        (4029, "Client sent audio too fast", Cause.OVERLOADED),
        (3007, "Audio Transmission Rate Exceeded: Received 314.9 sec. audio in 1.3 sec", Cause.OVERLOADED),
        (3007, "Input Duration Violation: 20.0 ms. Expected between 50 and 1000 ms", Cause.REFUSED),
        (3006, "Invalid Message", Cause.REFUSED),
        (3006, "keyterms_prompt: too long", Cause.KEYTERMS_REFUSED),
        (404, "", Cause.REFUSED),
        (3005, "Session Cancelled: An error occurred", Cause.LOST),
        (3008, "Session Expired: Maximum session duration exceeded", Cause.LOST),
        (4031, "Session idle for too long", Cause.LOST),
        (1000, "", Cause.LOST),
        (1006, "", Cause.LOST),
        (1011, "", Cause.LOST),
        (1013, "", Cause.LOST),
        (503, "", Cause.LOST),
        (None, "", Cause.LOST),
    ],
)
def test_codes(code: int | None, message: str, cause: Cause):
    problem = problem_of(code, message)
    assert problem.cause is cause
    assert problem.message


def test_a_long_message_is_cut():
    assert len(problem_of(3005, "x" * 10_000).message) == 300


def test_the_query_has_lists_as_json_and_leaves_out_what_is_not_set():
    parameters = {"sample_rate": 16_000, "format_turns": True, "keyterms_prompt": ("a b", "ü"), "vad_threshold": None}
    assert query(parameters) == "sample_rate=16000&format_turns=true&keyterms_prompt=%5B%22a+b%22%2C%22%C3%BC%22%5D"


def test_keyterms_are_replaced():
    assert json.loads(update_configuration({"keyterms_prompt": ("a",)})) == {
        "type": "UpdateConfiguration",
        "keyterms_prompt": ["a"],
    }
