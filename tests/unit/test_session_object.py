"""The session object and `session.update`."""

import pytest

from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import (
    Pcmu,
    SemanticVad,
    ServerVad,
    Session,
    session_to_wire,
    transcription_session,
)
from streamsrv.protocol.session_update import update_session

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


def test_a_telephone_line_keeps_its_formats_and_other_fields_change():
    line = update_session(SESSION, {"audio": {s: {"format": {"type": "audio/pcmu"}} for s in ("input", "output")}})
    wanted = {"audio": {s: {"format": {"type": "audio/pcm", "rate": 24000}} for s in ("input", "output")}}
    wanted["audio"]["output"] |= {"speed": 1.25}
    updated = update_session(line, wanted, keeps_formats=True)
    assert (updated.audio.input.format, updated.audio.output.format) == (Pcmu(), Pcmu())
    assert updated.audio.output.speed == 1.25
    with pytest.raises(ProtocolError):
        update_session(line, {"audio": {"input": {"format": {"type": "audio/mp3"}}}}, keeps_formats=True)


def test_another_type_of_turn_detection_starts_from_its_own_defaults():
    updated = update_session(SESSION, {"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}})
    assert updated.audio.input.turn_detection == SemanticVad()


def test_null_clears():
    held = update_session(SESSION, {"instructions": "x", "tools": [{"type": "function", "name": "f"}]})
    cleared = update_session(held, {"instructions": None, "tools": None, "audio": {"input": {"turn_detection": None}}})
    assert (cleared.instructions, cleared.tools) == ("", [])
    assert cleared.audio.input.turn_detection is None


def test_a_session_object_may_be_sent_back_as_it_came():
    for session in (SESSION, transcription_session("sess_2")):
        assert update_session(session, session_to_wire(session)) == session


def test_a_time_of_expiry_is_refused_where_there_is_none_yet():
    with pytest.raises(ProtocolError) as refused:
        update_session(Session(id="sess_1"), {"expires_at": 5})
    assert refused.value.message == "Invalid value '5' for 'session.expires_at': the server sets it."


@pytest.mark.parametrize("field", [{"id": "mine"}, {"expires_at": 5}, {"object": "x"}])
def test_the_servers_own_fields_cannot_be_changed(field: dict):
    assert refusal(field).param == f"session.{next(iter(field))}"


def test_a_model_that_stock_clients_always_send_has_no_effect_and_is_not_echoed():
    assert update_session(SESSION, {"model": "other"}) == SESSION


@pytest.mark.parametrize("given", ["auto", {"workflow_name": "w"}, {"group_id": "g", "metadata": {"a": 1}}, {}])
def test_a_trace_is_described_once(given: object):
    described = update_session(SESSION, {"tracing": given})
    assert session_to_wire(described)["tracing"] == given
    assert update_session(described, {"tracing": given, "instructions": "Hi."}).tracing == described.tracing
    assert update_session(described, {"instructions": "Hi."}).tracing == described.tracing
    for other in (None, {"workflow_name": "other"}):
        with pytest.raises(ProtocolError, match="it cannot be modified") as refused:
            update_session(described, {"tracing": other})
        assert refused.value.param == "session.tracing"


@pytest.mark.parametrize("given", [{"model": 3}, {"tracing": 3}, {"tracing": {"x": 1}}, {"model": "m" * 300}])
def test_it_is_validated_all_the_same(given: dict):
    assert (refusal(given).param or "").startswith(f"session.{next(iter(given))}")


@pytest.mark.parametrize(
    ("update", "param"),
    [
        ({"shoe_size": 43}, "session.shoe_size"),
        ({"audio": {"gain": 3}}, "session.audio.gain"),
        ({"audio": {"input": {"gain": 3}}}, "session.audio.input.gain"),
        ({"audio": {"input": {"transcription": {"words": ["a"]}}}}, "session.audio.input.transcription.words"),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "channels": 2}}}}, "session.audio.input.format.channels"),
        ({"audio": {"input": {"turn_detection": {"type": "semantic_vad", "idle_timeout_ms": 6000}}}},
         "session.audio.input.turn_detection.idle_timeout_ms"),
        ({"audio": {"input": {"turn_detection": {"type": "semantic_vad", "threshold": 0.5}}}},
         "session.audio.input.turn_detection.threshold"),
        ({"audio": {"input": {"turn_detection": {"type": "server_vad", "eagerness": "low"}}}},
         "session.audio.input.turn_detection.eagerness"),
        ({"audio": {"input": {"turn_detection": {"eagerness": "low"}}}},
         "session.audio.input.turn_detection.eagerness"),
        ({"audio": {"output": {"voice": {"id": "v", "x": 1}}}}, "session.audio.output.voice.x"),
        ({"tools": [{"type": "function", "name": "f", "strict": True}]}, "session.tools[0].strict"),
        ({"tool_choice": {"type": "function", "name": "f", "x": 1}}, "session.tool_choice.x"),
        ({"streamsrv": {"x": 1}}, "session.streamsrv.x"),
        ({"streamsrv": {"captions": {"room": "a", "x": 1}}}, "session.streamsrv.captions.x"),
    ],
)  # fmt: skip
def test_an_unknown_field_is_named_at_any_depth(update: dict, param: str):
    error = refusal(update)
    assert (error.code, error.param) == ("unknown_parameter", param)
    assert error.message.startswith(f"Unknown parameter: '{param}'.")


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("modalities", "'session.output_modalities'"),
        ("input_audio_format", "'session.audio.input.format'"),
        ("output_audio_format", "'session.audio.output.format'"),
        ("input_audio_transcription", "'session.audio.input.transcription'"),
        ("input_audio_noise_reduction", "'session.audio.input.noise_reduction'"),
        ("turn_detection", "'session.audio.input.turn_detection'"),
        ("voice", "'session.audio.output.voice'"),
        ("speed", "'session.audio.output.speed'"),
        ("max_response_output_tokens", "'session.max_output_tokens'"),
        ("temperature", "no replacement"),
    ],
)
@pytest.mark.parametrize("value", ["g711_ulaw", None, 0.8])
def test_a_name_of_the_beta_is_refused_with_what_replaced_it(name: str, instead: str, value: object):
    error = refusal({"instructions": "x", name: value})
    assert (error.code, error.param) == ("unknown_parameter", f"session.{name}")
    assert instead in error.message


@pytest.mark.parametrize(
    ("update", "param"),
    [
        ({"truncation": "never"}, "truncation"),
        ({"truncation": {"type": "retention_ratio"}}, "truncation.retention_ratio"),
        ({"truncation": {"type": "retention_ratio", "retention_ratio": 1.5}}, "truncation.retention_ratio"),
        (
            {"truncation": {"type": "retention_ratio", "retention_ratio": 1, "token_limits": {"post_instructions": 0}}},
            "truncation.token_limits.post_instructions",
        ),
        ({"truncation": {"type": "retention_ratio", "retention_ratio": 1, "limits": {}}}, "truncation.limits"),
        ({"audio": {"input": {"transcription": {"delay": "low"}}}}, "audio.input.transcription.delay"),
        ({"include": ["message.input_image.image_url"]}, "include[0]"),
        ({"include": "x"}, "include"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"streamsrv": {"events": ["transcription.parts"]}}, "streamsrv.events[0]"),
    ],
)
def test_what_is_not_done_is_refused(update: dict, param: str):
    assert refusal(update).param == f"session.{param}"


def test_what_is_off_may_be_told():
    update = {
        "truncation": "auto",
        "include": [],
        "prompt": None,
        "tracing": None,
        "audio": {
            "input": {
                "noise_reduction": None,
                "transcription": {"delay": None},
                "turn_detection": {"type": "semantic_vad", "idle_timeout_ms": None},
            }
        },
    }
    session = update_session(SESSION, update)
    assert session.audio.input.turn_detection == SemanticVad()


def test_null_below_audio_means_the_default():
    held = update_session(SESSION, {"audio": {"output": {"speed": 1.2, "format": {"type": "audio/pcmu"}}}})
    cleared = update_session(held, {"audio": {"output": {"speed": None, "format": None}}})
    assert cleared.audio == SESSION.audio


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
@pytest.mark.parametrize("side", ["input", "output"])
def test_a_rate_that_a_format_does_not_have_is_refused(kind: str, side: str):
    for rate in (16000, 24000, 48000, "8000"):
        error = refusal({"audio": {side: {"format": {"type": kind, "rate": rate}}}})
        assert (error.code, error.param) == ("invalid_value", f"session.audio.{side}.format.rate")
        assert "8000" in error.message
        assert "24000" not in error.message.partition("accepted are ")[2], "that is the rate of another format"
    told = update_session(SESSION, {"audio": {side: {"format": {"type": kind, "rate": 8000}}}})
    assert session_to_wire(told)["audio"][side]["format"] == {"type": kind}


@pytest.mark.parametrize(
    "update",
    [
        {"instructions": "x"}, {"tools": []}, {"output_modalities": ["text"]}, {"tool_choice": "auto"},
    ],
)  # fmt: skip
def test_a_transcription_session_refuses_what_is_for_responses(update: dict):
    with pytest.raises(ProtocolError) as refused:
        update_session(transcription_session("sess_2"), update)
    assert refused.value.code == "unknown_parameter"


@pytest.mark.parametrize(
    ("update", "param"),
    [
        ({"audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 6000}}}},
         "session.audio.input.turn_detection.idle_timeout_ms"),
        ({"streamsrv": {"language": "de"}}, "session.streamsrv.language"),
        ({"streamsrv": {"routing": {"policy": "cheapest"}}}, "session.streamsrv.routing"),
    ],
)  # fmt: skip
def test_a_transcription_session_refuses_what_would_have_no_effect_in_it(update: dict, param: str):
    with pytest.raises(ProtocolError) as refused:
        update_session(transcription_session("sess_2"), update)
    assert (refused.value.code, refused.value.param) == ("invalid_value", param)


def test_a_transcription_session_takes_back_what_it_was_shown():
    session = transcription_session("sess_2")
    assert update_session(session, session_to_wire(session)) == session


@pytest.mark.parametrize("name", ["a b", "f.g", "é", "x" * 65, ""])
def test_the_name_of_a_function_that_providers_refuse_is_refused(name: str):
    error = refusal({"tools": [{"type": "function", "name": name}]})
    assert (error.code, error.param) == ("invalid_value", "session.tools[0].name")


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
        ({"tools": [{"type": "retrieval", "name": "x"}]}, "tools[0].type", "'function'"),
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


def test_a_transcription_session_shows_its_input_alone():
    wire = session_to_wire(transcription_session("sess_2"))
    assert wire["type"] == "transcription"
    assert wire["object"] == "realtime.transcription_session"
    assert set(wire["audio"]) == {"input"}
    assert "model" not in wire
