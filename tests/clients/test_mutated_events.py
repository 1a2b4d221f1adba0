"""Every field of every client event replaced by what does not belong there: no crash, and nothing malformed is sent."""

import json
from itertools import islice
from typing import Any

import pytest

from harness import Talk, events
from mutants import mutants
from streamsrv.conformance.recorder import Recorder
from streamsrv.core.effects import FinishRecognition
from streamsrv.core.inputs import EventRefused
from streamsrv.protocol.client_events import MalformedEvent
from streamsrv.runtime.speech_encoder import encode_event

HELD_ITEM = (
    '{"type": "conversation.item.create", "item": {"type": "message", "id": "u1", "role": "user", '
    '"content": [{"type": "input_text", "text": "x"}]}}'
)
VALID = [
    {
        "type": "session.update",
        "event_id": "e",
        "session": {
            "type": "realtime",
            "model": "m",
            "output_modalities": ["audio"],
            "instructions": "i",
            "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}],
            "tool_choice": {"type": "function", "name": "f"},
            "max_output_tokens": 5,
            "truncation": "auto",
            "tracing": {"workflow_name": "w"},
            "prompt": None,
            "include": [],
            "parallel_tool_calls": True,
            "reasoning": {"effort": "low"},
            "streamsrv": {"events": ["words.timed"]},
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "noise_reduction": None,
                    "transcription": {"model": "m", "language": "en", "prompt": "p"},
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": 0.5,
                        "prefix_padding_ms": 3,
                        "silence_duration_ms": 5,
                        "create_response": True,
                        "interrupt_response": True,
                        "idle_timeout_ms": 6000,
                    },
                },
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": {"id": "v"}, "speed": 1},
            },
        },
    },
    {
        "type": "response.create",
        "event_id": "e",
        "response": {
            "instructions": "i",
            "output_modalities": ["text"],
            "audio": {"output": {"format": {"type": "audio/pcmu"}, "voice": {"id": "v"}, "speed": 1.0}},
            "tools": [{"type": "function", "name": "f"}],
            "tool_choice": "auto",
            "max_output_tokens": 9,
            "conversation": "none",
            "metadata": {"a": "b"},
            "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]},
                {"type": "item_reference", "id": "u1"},
            ],
            "parallel_tool_calls": False,
            "reasoning": None,
            "prompt": None,
        },
    },
    {
        "type": "conversation.item.create",
        "previous_item_id": "root",
        "item": {
            "type": "message",
            "id": "n1",
            "status": "completed",
            "role": "user",
            "content": [
                {"type": "input_audio", "audio": "AAAA", "transcript": "t"},
                {"type": "input_text", "text": "x"},
            ],
        },
    },
    {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "c", "output": "o"}},
    {
        "type": "conversation.item.create",
        "item": {"type": "function_call", "name": "n", "call_id": "c", "arguments": "o"},
    },
    {"type": "conversation.item.truncate", "item_id": "u1", "content_index": 0, "audio_end_ms": 4},
    {"type": "conversation.item.retrieve", "item_id": "u1"},
    {"type": "conversation.item.delete", "item_id": "u1"},
    {"type": "response.cancel", "response_id": "r"},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
]
PARTS = 3
"""Each part has every third mutant."""
MISPLACED: list[Any] = [
    7, -1, 1.5, 1e300, "x", "", None, [], {}, True, [1], ["audio", "text"], ["text", "audio", "text"], [None], {"a": 1},
    {"type": "x"}, {"type": 7}, {"id": 7}, "\ud800", 2**70, [[]], [{}],
]  # fmt: skip


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, PARTS))])
@pytest.mark.parametrize("valid", VALID, ids=lambda valid: f"{valid['type']}-{len(str(valid))}")
def test_nothing_crashes_and_nothing_malformed_is_sent(valid: dict[str, Any], part: int):
    for mutant in islice(mutants(valid, MISPLACED), part, None, PARTS):
        talk = Talk()
        talk.client(HELD_ITEM)
        try:
            talk.client(json.dumps(mutant))
        except MalformedEvent as malformed:
            talk.give(EventRefused(malformed.error.details, malformed.event_id))
        talk.speech()
        talk.silence()
        if any(isinstance(effect, FinishRecognition) for effect in talk.all):
            talk.transcript("hello")
        conformance = Recorder()
        for event in events(talk.all):
            conformance.take(encode_event(event))
