"""The server-sent events of a caption room (WHATWG HTML, section 9.2). Pure."""

from typing import Any

import msgspec

from streamsrv.engines.asr.base import RecognizedUtterance
from streamsrv.text.subtitles import Cue, cues_of


def final_event(
    event_id: str, item_id: str, speaker: str, utterance: RecognizedUtterance, *, is_corrected: bool
) -> bytes:
    """Return the event of a final text; an empty one removes the item."""
    fields = {
        "item_id": item_id,
        "speaker": speaker,
        "start": utterance.start_ms / 1000,
        "end": utterance.end_ms / 1000,
        "text": utterance.text,
        "lines": [_line(cue) for cue in cues_of([utterance])] if utterance.text else [],
        **marked(utterance.translated_to),
        **corrected_mark(is_corrected),
    }
    return event("final", fields, event_id)


def event(kind: str, fields: dict[str, Any], event_id: str | None = None) -> bytes:
    """Return a server-sent event. JSON has no line breaks, so one data line suffices."""
    head = f"event: {kind}\n" + (f"id: {event_id}\n" if event_id else "")
    return head.encode() + b"data: " + msgspec.json.encode(fields) + b"\n\n"


def marked(translated_to: str | None) -> dict[str, str]:
    """Return the field that marks a translation, for events and files."""
    return {} if translated_to is None else {"translated_to": translated_to}


def corrected_mark(is_corrected: bool) -> dict[str, bool]:
    """Return the field that marks a text that a speaker has corrected, for events and files."""
    return {"corrected": True} if is_corrected else {}


def _line(cue: Cue) -> dict[str, Any]:
    return {"start": cue.start_ms / 1000, "end": cue.end_ms / 1000, "text": cue.text}
