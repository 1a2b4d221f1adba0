"""The checks of the order of events: a session that is right passes, and any one fault in it is noticed."""

import json
from typing import Any

import pytest

from streamsrv.conformance.recorder import Recorder

USER = {"id": "item_1", "object": "realtime.item", "type": "message", "status": "completed", "role": "user"}
ANSWER = {"id": "item_2", "object": "realtime.item", "type": "message", "role": "assistant"}
HEARD = {**USER, "content": [{"type": "input_audio", "transcript": None}]}
STARTED: dict[str, Any] = {**ANSWER, "status": "in_progress", "content": []}
SAID = {**ANSWER, "status": "completed", "content": [{"type": "output_audio", "transcript": "Hello."}]}
ITEM = {"response_id": "resp_1", "output_index": 0}
PART = {**ITEM, "item_id": "item_2", "content_index": 0}
RESPONSE = {"object": "realtime.response", "id": "resp_1", "conversation_id": "conv_1", "metadata": None}

SESSION: list[dict[str, Any]] = [
    {"type": "session.created", "session": {"type": "realtime", "object": "realtime.session", "id": "sess_1"}},
    {"type": "input_audio_buffer.speech_started", "item_id": "item_1", "audio_start_ms": 0},
    {"type": "input_audio_buffer.speech_stopped", "item_id": "item_1", "audio_end_ms": 900},
    {"type": "input_audio_buffer.committed", "item_id": "item_1", "previous_item_id": None},
    {"type": "conversation.item.added", "item": HEARD, "previous_item_id": None},
    {"type": "conversation.item.done", "item": HEARD, "previous_item_id": None},
    {"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "output": []}},
    {"type": "response.output_item.added", **ITEM, "item": STARTED},
    {"type": "conversation.item.added", "item": STARTED, "previous_item_id": "item_1"},
    {"type": "response.content_part.added", **PART, "part": {"type": "audio", "transcript": ""}},
    {"type": "response.output_audio_transcript.delta", **PART, "delta": "Hello."},
    {"type": "response.output_audio.delta", **PART, "delta": "AAAA"},
    {"type": "response.output_audio.done", **PART},
    {"type": "response.output_audio_transcript.done", **PART, "transcript": "Hello."},
    {"type": "response.content_part.done", **PART, "part": {"type": "audio", "transcript": "Hello."}},
    {"type": "conversation.item.done", "item": SAID, "previous_item_id": "item_1"},
    {"type": "response.output_item.done", **ITEM, "item": SAID},
    {"type": "response.done", "response": {**RESPONSE, "status": "completed", "output": [SAID]}},
]
AUDIO = 11
"""A response may have any number of these: one more or less is no fault."""


def check(events: list[dict[str, Any]]) -> None:
    recorder = Recorder()
    for index, event in enumerate(events):
        recorder.take(json.dumps({"event_id": f"event_{index}", **event}))
    recorder.check_order()


def test_a_right_session_passes() -> None:
    check(SESSION)


@pytest.mark.parametrize("index", [index for index in range(len(SESSION)) if index != AUDIO])
def test_a_missing_event_is_noticed(index: int) -> None:
    with pytest.raises(AssertionError):
        check(SESSION[:index] + SESSION[index + 1 :])


@pytest.mark.parametrize("index", [index for index in range(len(SESSION)) if index != AUDIO])
def test_a_repeated_event_is_noticed(index: int) -> None:
    with pytest.raises(AssertionError):
        check([*SESSION[: index + 1], *SESSION[index:]])


@pytest.mark.parametrize(
    ("index", "fault"),
    [
        (1, {"event_id": None}),
        (1, {"event_id": "event_0"}),
        (1, {"audio_start_ms": "0"}),
        (1, {"audio_started_ms": 0}),
        (1, {"type": "streamsrv.transcription.partial"}),
        (9, {"part": {"type": "output_audio"}}),
        (11, {"item_id": None}),
        (13, {"transcript": "Hello there."}),
        (17, {"response": {**RESPONSE, "status": "completed", "output": []}}),
    ],
)
def test_a_wrong_field_is_noticed(index: int, fault: dict[str, Any]) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check([*SESSION[:index], {**SESSION[index], **fault}, *SESSION[index + 1 :]])
