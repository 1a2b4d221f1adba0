"""The session object and `session.update`."""

import pytest

from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import (
    SemanticVad,
    ServerVad,
    Session,
    session_to_wire,
    transcription_session,
    update_session,
)

SESSION = Session(id="sess_1", expires_at=1, model="gpt-realtime")


def refusal(update: dict) -> ProtocolError:
    with pytest.raises(ProtocolError) as refused:
        update_session(SESSION, update)
    return refused.value


def test_only_given_fields_change():
    updated = update_session(SESSION, {"type": "realtime", "instructions": "Be brief."})
    assert updated.instructions == "Be brief."
    assert updated.audio == SESSION.audio


def test_fields_below_audio_merge():
    first = update_session(SESSION, {"audio": {"output": {"voice": "marin"}}})
    second = update_session(first, {"audio": {"input": {"turn_detection": {"silence_duration_ms": 200}}}})
    assert second.voice == "marin"
    assert second.audio.input.turn_detection == ServerVad(silence_duration_ms=200)


def test_another_type_of_turn_detection_starts_from_its_own_defaults():
    updated = update_session(SESSION, {"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}})
    assert updated.audio.input.turn_detection == SemanticVad()


def test_null_clears():
    held = update_session(SESSION, {"instructions": "x", "tools": [{"type": "function", "name": "f"}]})
    cleared = update_session(held, {"instructions": None, "tools": None, "audio": {"input": {"turn_detection": None}}})
    assert (cleared.instructions, cleared.tools) == ("", [])
    assert cleared.audio.input.turn_detection is None


def test_the_servers_own_fields_and_unknown_ones_are_ignored():
    assert update_session(SESSION, {"id": "mine", "expires_at": 5, "shoe_size": 43}) == SESSION


def test_a_missing_type_is_accepted_and_another_one_refused():
    assert update_session(SESSION, {}) == SESSION
    assert refusal({"type": "transcription"}).param == "session.type"


def test_both_modalities_mean_audio():
    assert update_session(SESSION, {"output_modalities": ["text", "audio"]}).output_modalities == ["audio"]


@pytest.mark.parametrize(
    ("update", "param", "said"),
    [
        ({"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 7}}}}, "threshold", "7"),
        ({"audio": {"input": {"turn_detection": {"type": "x"}}}}, "turn_detection.type", "'semantic_vad'"),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}}, "format.rate", "24000"),
        ({"audio": {"output": {"speed": 9}}}, "output.speed", "1.5"),
        ({"tools": [{"type": "mcp", "name": "x"}]}, "tools[0].type", "'function'"),
        ({"instructions": 4}, "instructions", "str"),
        ({"max_output_tokens": 0}, "max_output_tokens", "1"),
        ({"prompt": {"id": "p"}}, "prompt", "not supported"),
    ],
)
def test_a_wrong_field_is_named_with_its_value_and_what_is_accepted(update: dict, param: str, said: str):
    error = refusal(update)
    assert error.code == "invalid_value"
    assert error.param is not None
    assert error.param.endswith(param)
    assert said in error.message


def test_a_missing_field_is_named():
    assert refusal({"tools": [{"type": "function"}]}).code == "missing_required_parameter"


def test_the_voice_cannot_change_once_it_was_heard():
    with pytest.raises(ProtocolError) as refused:
        update_session(SESSION, {"audio": {"output": {"voice": "other"}}}, voice_used=True)
    assert refused.value.code == "cannot_update_voice"
    update_session(SESSION, {"audio": {"output": {"speed": 1.2}}}, voice_used=True)


def test_a_transcription_session_shows_its_input_alone():
    wire = session_to_wire(transcription_session("sess_2"))
    assert wire["type"] == "transcription"
    assert wire["object"] == "realtime.transcription_session"
    assert set(wire["audio"]) == {"input"}
    assert "model" not in wire
