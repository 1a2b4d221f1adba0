"""The order of the events of one item, as regular expressions over their names: each reads as the ladder it describes.

Source: the order of events of the OpenAI Realtime API.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

_CALL = "(function_call_arguments.delta )*function_call_arguments.done "
_WRITTEN = "content_part.added (output_text.delta )*output_text.done content_part.done "
_SPOKEN = (
    "content_part.added (output_audio_transcript.delta |output_audio.delta )*"
    "output_audio.done output_audio_transcript.done content_part.done "
)
_CONTENT = f"({_CALL}|{_WRITTEN}|{_SPOKEN})"
GENERATED_ITEM = re.compile(f"output_item.added added {_CONTENT}done output_item.done ")
"""An item that a response adds to the conversation."""
OUT_OF_BAND_ITEM = re.compile(f"output_item.added {_CONTENT}output_item.done ")
"""An item of a response outside of the conversation."""

_TRANSCRIPT = "(transcription.delta )*(transcription.completed |transcription.failed )?"
_TURN = "speech_started (transcription.delta )*speech_stopped (transcription.delta )*"
_UNDETECTED = "(timeout_triggered )?"
INPUT_ITEM = re.compile(f"({_TURN}|{_UNDETECTED})committed added done {_TRANSCRIPT}|added done {_TRANSCRIPT}")
"""An item that comes from the user or the application."""
TURN_GOING_ON = re.compile("(speech_started (transcription.delta )*(speech_stopped )?)?")
"""The beginning of an item whose audio is not committed."""

_PREFIXES = ("response.", "conversation.item.", "input_audio_buffer.")
_PASSING = (".retrieved", ".truncated", ".deleted")
"""Events that may come at any time and leave the ladder as it is."""


def ladders(events: Iterable[dict[str, Any]]) -> dict[str, str]:
    """For each item the names of its events in order, shortened, each with a space after it."""
    names: defaultdict[str, str] = defaultdict(str)
    for event in events:
        name: str = event["type"]
        item_id = event.get("item_id") or event.get("item", {}).get("id")
        if item_id is None or name.startswith("streamsrv.") or name.endswith(_PASSING):
            continue
        name = next(name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix))
        names[item_id] += name.replace("input_audio_transcription", "transcription") + " "
    return dict(names)
