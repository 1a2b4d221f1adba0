"""Frames from the client: decoded, or refused with the documented error."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.protocol.client_events import (
    MAX_AUDIO_BYTES,
    AudioAppend,
    ItemCreate,
    MalformedEvent,
    ResponseAudio,
    ResponseCreate,
    ResponseOptions,
    decode_client_event,
)
from streamsrv.protocol.items import InputText, MessageItem
from streamsrv.protocol.session_object import FunctionTool


def refusal(frame: str | bytes) -> MalformedEvent:
    with pytest.raises(MalformedEvent) as refused:
        decode_client_event(frame)
    return refused.value


def test_audio_is_decoded_from_base64():
    frame = json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(b"\x01\x02").decode()})
    assert decode_client_event(frame) == AudioAppend(audio=b"\x01\x02")


@pytest.mark.parametrize(
    ("frame", "code", "param"),
    [
        ("{", "invalid_event", None),
        (b"\xff\xfe", "invalid_event", None),
        ("[1]", "invalid_event", None),
        ("{}", "missing_required_parameter", "type"),
        ('{"type": "shout"}', "invalid_value", "type"),
        ('{"type": "input_audio_buffer.append"}', "missing_required_parameter", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": "%%%"}', "invalid_value", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": 5}', "invalid_value", "audio"),
        ('{"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": -1}',
         "invalid_value", "audio_end_ms"),
        ('{"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [{"type": "x"}]}'
         "}", "invalid_value", "item.content[0].type"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(frame: str | bytes, code: str, param: str | None):
    error = refusal(frame).error
    assert (error.code, error.param) == (code, param)


def test_the_clients_event_id_is_kept():
    assert refusal('{"type": "shout", "event_id": "e1"}').event_id == "e1"
    assert refusal('{"type": "input_audio_buffer.append", "audio": "%", "event_id": "e2"}').event_id == "e2"
    assert refusal('{"type": "shout", "event_id": 7}').event_id is None


@pytest.mark.parametrize("unreadable", ['"a": 1' + "0" * 30, '"a": 1, "a": 2', '"a": ' + "[" * 70 + "]" * 70])
def test_the_clients_event_id_is_kept_where_a_value_cannot_be_read(unreadable: str):
    refused = refusal(f'{{"type": "response.cancel", "event_id": "mine", {unreadable}}}')
    assert (refused.error.code, refused.event_id) == ("invalid_event", "mine")


def test_null_means_not_given_in_items_and_responses():
    part = {"type": "input_text", "text": "Hi", "transcript": None}
    item = {"id": None, "type": "message", "status": None, "role": "user", "content": [part]}
    created = decode_client_event(json.dumps({"type": "conversation.item.create", "item": item}))
    assert created == ItemCreate(MessageItem(role="user", content=[InputText("Hi")]))
    options = {"audio": {"output": None}, "tools": None, "metadata": None, "input": [item]}
    asked = decode_client_event(json.dumps({"type": "response.create", "response": options}))
    assert asked == ResponseCreate(
        ResponseOptions(audio=ResponseAudio(), input=[MessageItem(role="user", content=[InputText("Hi")])])
    )


def test_null_in_the_parameters_of_a_tool_is_kept():
    tool = {"type": "function", "name": "f", "parameters": {"default": None}}
    event = {"type": "response.create", "response": {"audio": None, "tools": [tool]}}
    assert decode_client_event(json.dumps(event)) == ResponseCreate(
        ResponseOptions(tools=[FunctionTool(name="f", parameters={"default": None})])
    )


def test_the_supported_event_types_are_listed():
    assert "'response.create'" in refusal('{"type": "shout"}').error.message


def test_audio_that_is_too_long_is_refused_and_never_quoted():
    audio = base64.b64encode(bytes(MAX_AUDIO_BYTES + 2)).decode()
    error = refusal(json.dumps({"type": "input_audio_buffer.append", "audio": audio})).error
    assert error.param == "audio"
    assert len(error.message) < 200


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_no_frame_raises_anything_else(frame: bytes | str):
    with pytest.raises(MalformedEvent):
        decode_client_event(frame)


@given(st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5), max_size=4))
def test_no_object_raises_anything_else(fields: dict):
    with pytest.raises(MalformedEvent):
        decode_client_event(json.dumps({"type": "conversation.item.create", **fields}))
