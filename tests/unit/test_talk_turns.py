"""When a conversation of `streamsrv talk` is over: nothing that was said awaits an answer."""

from typing import Any

import pytest

from streamsrv.cli.turns import Turns

STARTED = {"type": "input_audio_buffer.speech_started"}
STOPPED = {"type": "input_audio_buffer.speech_stopped"}


def committed(item: str = "item_1") -> dict[str, Any]:
    return {"type": "input_audio_buffer.committed", "item_id": item}


def transcribed(text: str, item: str = "item_1") -> dict[str, Any]:
    kind = "conversation.item.input_audio_transcription.completed"
    return {"type": kind, "item_id": item, "transcript": text}


def response(event: str, number: int = 1) -> dict[str, Any]:
    return {"type": f"response.{event}", "response": {"id": f"resp_{number}"}}


FAILED = {"type": "conversation.item.input_audio_transcription.failed", "item_id": "item_1"}
TURN = [STARTED, STOPPED, committed()]


@pytest.mark.parametrize(
    ("events", "are_open"),
    [
        ([], False),
        ([STARTED], True),
        (TURN, True),
        ([*TURN, transcribed("hello")], True),
        ([*TURN, transcribed(" ")], False),
        ([*TURN, FAILED], False),
        ([*TURN, transcribed("hello"), response("created")], True),
        ([*TURN, transcribed("hello"), response("created"), response("done")], False),
        ([*TURN, response("created"), transcribed("hello"), response("done")], False),
        ([*TURN, response("created"), STARTED, response("done")], True),
        ([*TURN, committed("item_2"), response("created"), response("done")], False),
        ([*TURN, response("created"), committed("item_2"), response("done")], True),
        ([*TURN, transcribed("", "item_2")], True),
        ([response("created"), response("created", 2), response("done")], True),
        ([STARTED, {"type": "input_audio_buffer.cleared"}], False),
        ([{"type": "some.other"}], False),
    ],
)
def test_a_conversation_is_open_while_something_awaits_an_answer(events: list[dict[str, Any]], are_open: bool):
    turns = Turns()
    for event in events:
        turns.take(event)
    assert turns.are_open is are_open
