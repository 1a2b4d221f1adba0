"""Regular expressions for the order of the events of one item: each matches the names of the events in order.

Source: the order of events of the OpenAI Realtime API.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

_CALL = "(function_call_arguments.delta )*(function_call_arguments.done )?"  # a call that was cut off is not done
_WRITTEN = "content_part.added (output_text.delta )*output_text.done content_part.done "
_SPOKEN = (
    "content_part.added (output_audio_transcript.delta |output_audio.delta )*"
    "output_audio.done output_audio_transcript.done content_part.done "
)
_MCP_CALL = (
    "(mcp_call_arguments.delta )*(mcp_call_arguments.done mcp_call.in_progress )?(mcp_call.completed |mcp_call.failed )"
)
_CONTENT = f"({_CALL}|{_MCP_CALL}|{_WRITTEN}|{_SPOKEN})"
GENERATED_ITEM = re.compile(f"output_item.added added {_CONTENT}done output_item.done ")
"""An item that a response adds to the conversation."""
OUT_OF_BAND_ITEM = re.compile(f"output_item.added {_CONTENT}output_item.done ")
"""An item of a response that is not part of the conversation."""

_TRANSCRIPT = "(transcription.delta )*(transcription.completed |transcription.failed )?"
_TURN = "speech_started (transcription.delta )*speech_stopped (transcription.delta )*"
_UNDETECTED = "(timeout_triggered )?"
_TOOLS = "added mcp_list_tools.in_progress (done (mcp_list_tools.completed |mcp_list_tools.failed ))?"
INPUT_ITEM = re.compile(f"({_TURN}|{_UNDETECTED})committed added done {_TRANSCRIPT}|added done {_TRANSCRIPT}|{_TOOLS}")
"""An item that comes from the user or the application, or lists the tools of a server."""
TURN_GOING_ON = re.compile("(speech_started (transcription.delta )*(speech_stopped )?)?")
"""An item whose audio is not committed yet."""

_PREFIXES = ("response.", "conversation.item.", "input_audio_buffer.")
_PASSING = (".retrieved", ".truncated", ".deleted")
"""Suffixes of events that may come at any time and are not part of the order."""


def ladders(events: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Return for each item the shortened names of its events in order, each followed by a space."""
    names: defaultdict[str, str] = defaultdict(str)
    for event in events:
        name: str = event["type"]
        item_id = event.get("item_id") or event.get("item", {}).get("id")
        if item_id is None or name.startswith("streamsrv.") or name.endswith(_PASSING):
            continue
        name = next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)
        names[item_id] += name.replace("input_audio_transcription", "transcription") + " "
    return dict(names)
