"""Bounds on audio that comes whole with items."""

import base64
import json

import pytest

from harness import Talk, error, events, of_type, types
from streamsrv.core.clips import MAX_WAITING
from streamsrv.core.effects import RecognizeClip
from streamsrv.core.inputs import TranscriptReceived
from streamsrv.engines.asr.base import Transcript

BYTES_A_MS = 48


def create(talk: Talk, duration_bytes: int, item_id: str = "mine"):
    audio = base64.b64encode(bytes(duration_bytes)).decode()
    content = [{"type": "input_audio", "audio": audio}]
    item = {"id": item_id, "type": "message", "role": "user", "content": content}
    return talk.client(json.dumps({"type": "conversation.item.create", "item": item}))


@pytest.mark.parametrize("size", [2, BYTES_A_MS, 99 * BYTES_A_MS])
def test_audio_shorter_than_a_commit_is_refused_and_leaves_nothing(size: int):
    talk = Talk()
    effects = create(talk, size)
    refused = error(effects)
    assert (refused["code"], refused["param"]) == ("invalid_value", "item.content")
    assert f"{size // BYTES_A_MS} ms" in refused["message"]
    assert "at least 100 ms" in refused["message"]
    assert types(effects) == ["error"]
    assert not of_type(effects, RecognizeClip)
    assert types(create(talk, 100 * BYTES_A_MS))[0] == "conversation.item.added"


def test_only_so_many_items_wait_for_their_transcripts():
    talk = Talk()
    for number in range(MAX_WAITING):
        assert of_type(create(talk, 100 * BYTES_A_MS, f"item_{number}"), RecognizeClip)
    refused = error(create(talk, 100 * BYTES_A_MS, "one_too_many"))
    assert refused["param"] == "item.content"
    assert f"{MAX_WAITING} items" in refused["message"]
    talk.give(TranscriptReceived("item_0", Transcript("hello", is_final=True)))
    assert of_type(create(talk, 100 * BYTES_A_MS, "one_more"), RecognizeClip)


def test_what_waits_is_bounded_in_length():
    talk = Talk()
    for number in range(2):
        assert of_type(create(talk, 200_000 * BYTES_A_MS, f"item_{number}"), RecognizeClip)
    refused = error(create(talk, 200_001 * BYTES_A_MS, "one_too_many"))
    assert "at most 600 s" in refused["message"]
    assert not [event for event in events(talk.all) if event.get("item", {}).get("id") == "one_too_many"]
