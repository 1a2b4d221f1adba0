"""Tells from the events of a Realtime session whether something that was said still awaits an answer."""

from collections.abc import Mapping
from typing import Any


class Turns:
    """The turns of the user and the responses of one session. Pure."""

    def __init__(self) -> None:
        self._speaking = False
        self._due: set[str] = set()
        self._responses: set[str] = set()

    @property
    def are_open(self) -> bool:
        """Whether the user speaks, a turn awaits its response, or a response is in progress."""
        return self._speaking or bool(self._due) or bool(self._responses)

    def take(self, event: Mapping[str, Any]) -> None:
        """Take the next event of the server."""
        match event["type"]:
            case "input_audio_buffer.speech_started":
                self._speaking = True
            case "input_audio_buffer.speech_stopped" | "input_audio_buffer.cleared":
                self._speaking = False
            case "input_audio_buffer.committed":
                self._speaking = False
                self._due.add(event["item_id"])
            case "conversation.item.input_audio_transcription.completed" if not event["transcript"].strip():
                self._due.discard(event["item_id"])  # a noise needs no answer
            case "conversation.item.input_audio_transcription.failed":
                self._due.discard(event["item_id"])
            case "response.created":
                self._due.clear()
                self._responses.add(event["response"]["id"])
            case "response.done":
                self._responses.discard(event["response"]["id"])
            case _:
                pass
