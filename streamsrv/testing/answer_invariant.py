"""An invariant: every turn with words gets an answer or an error before the watchdogs' time is over."""

from collections.abc import Iterator
from typing import Any

from streamsrv.core.answers.responses import STALL_MS
from streamsrv.core.effects import Effect, HangUp, SendAudio, SendEvent, TransferCall
from streamsrv.core.inputs import EventReceived, EventRefused, LineDropped, ModelOutput, SegmentSpoken, SpeechOutput
from streamsrv.testing.record import Record, Step

TIME_TO_ACT_MS = 1000
"""Time after that of both watchdogs, of the recogniser and of the answer, in which an answer or an error follows."""

_OUTPUT = (
    "response.output_text.delta",
    "response.output_audio_transcript.delta",
    "response.function_call_arguments.done",
)


def every_turn_is_answered(record: Record) -> Iterator[tuple[int, str]]:
    """A turn with words gets output of a response that was created after it, or an error, before the time
    of both watchdogs is over; or the call is ended.

    Time during which the user speaks does not count. A later turn with words replaces the one before; a turn without
    words does not. Not checked if the application clears the audio or turns automatic answers off.
    """
    pending = _PendingAnswer(record)
    for step in record.steps:
        if (since_ms := pending.overdue(step.at_ms)) is not None:
            yield step.at_ms, f"the turn has had no answer since {since_ms} ms"
        if isinstance(step.happened, ModelOutput | SpeechOutput | SegmentSpoken):
            pending.waiting_since_ms = step.at_ms
        for effect in step.effects:
            pending.take(effect, step)
        is_left = any(isinstance(effect, HangUp | TransferCall) for effect in step.effects)
        if is_left or isinstance(step.happened, LineDropped):
            return
    if pending.item_id is not None:
        yield record.ended_ms, f"the turn {pending.item_id} was never answered"


class _PendingAnswer:
    """Tracks the turn that waits for an answer, if there is one."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._max_silence_ms = record.scenario.recognizer.deadline_ms + STALL_MS + TIME_TO_ACT_MS
        self._answers = False  # whether turns are answered automatically
        self._speaking = False
        self._created_after: set[str] = set()  # responses that can answer it
        self.item_id: str | None = None
        self.waiting_since_ms = 0

    def overdue(self, now_ms: int) -> int | None:
        """Return since when the turn has waited for too long; None: it has not."""
        waited_ms = now_ms - self.waiting_since_ms
        if self.item_id is None or self._speaking or waited_ms <= self._max_silence_ms:
            return None
        since_ms, self.item_id = self.waiting_since_ms, None
        return since_ms

    def take(self, effect: Effect, step: Step) -> None:
        if isinstance(effect, SendAudio):
            self._settle_if(effect.event_fields["response_id"] in self._created_after)
        elif isinstance(effect, SendEvent):
            self._take_event(effect.event, step)

    def _take_event(self, event: dict[str, Any], step: Step) -> None:
        match event["type"]:
            case "session.created" | "session.updated":
                detection = event["session"]["audio"]["input"]["turn_detection"]
                is_realtime = event["session"]["type"] == "realtime"
                self._answers = bool(is_realtime and detection and detection["create_response"])
                self._settle_if(not self._answers)
            case "input_audio_buffer.speech_started":
                self._speaking = True
            case "input_audio_buffer.committed":
                self._speaking = False
                self.waiting_since_ms = step.at_ms
                if self._answers and self._record.recognizable.get(event["item_id"]):
                    self.item_id = event["item_id"]
                    self._created_after = set()
            case "response.created" if event["response"]["conversation_id"] is not None:
                self._created_after.add(event["response"]["id"])
            case "response.done":
                self._settle_if(_says_why(event["response"]))
            case "conversation.item.deleted" | "conversation.item.input_audio_transcription.failed":
                self._settle_if(event["item_id"] == self.item_id)
            case "input_audio_buffer.cleared":
                self._settle_if(self._speaking)
                self._speaking = False
            case "error":
                self._settle_if(not isinstance(step.happened, EventReceived | EventRefused))
            case kind:
                self._settle_if(kind in _OUTPUT and event["response_id"] in self._created_after)

    def _settle_if(self, settled: bool) -> None:
        if settled:
            self.item_id = None


def _says_why(response: dict[str, Any]) -> bool:
    details: dict[str, Any] | None = response["status_details"]
    return details is not None and (details["type"] != "cancelled" or details["reason"] == "client_cancelled")
