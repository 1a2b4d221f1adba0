"""The record of a simulated conversation, which the invariants check and a developer reads to find a cause."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from streamsrv.core.effects import Close, Effect, FeedRecognition, SendAudio, SendEvent
from streamsrv.core.inputs import AudioAppended, EventReceived, FrameHeard, Input, LineDropped, SpeechOutput
from streamsrv.testing.player import Cut, PlayedItem
from streamsrv.testing.scenario import Scenario
from streamsrv.testing.simulated_user import MicrophoneFrame


@dataclass(frozen=True, slots=True)
class Step:
    """One input of the core (None: its start) and the effects that the core returned."""

    at_ms: int
    happened: Input | None
    effects: list[Effect]


@dataclass(slots=True)
class Utterance:
    """Speech of the user without a pause, as it reached the server. Echoes are no part of it."""

    began_ms: int
    """When its first frame came."""
    ended_ms: int
    words: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Record:
    """The steps and results of one conversation. Times are ms of the simulation.

    Frames and appended audio are recorded only if the core did more than feed a recognition.
    """

    scenario: Scenario
    steps: list[Step] = field(default_factory=list[Step])
    said: list[str] = field(default_factory=list[str])
    """Every word that the user said into the microphone."""
    utterances: list[Utterance] = field(default_factory=list[Utterance])
    """What the user said, as it reached the server, from pause to pause."""
    recognizable: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """The words in the audio of each recognition, by item id."""
    played: dict[str, PlayedItem] = field(default_factory=dict[str, PlayedItem])
    """What the client received and played of each item, by item id."""
    cuts: dict[str, Cut] = field(default_factory=dict[str, Cut])
    """Where the client cut off playback, by item id."""
    unfinished: list[str] = field(default_factory=list[str])
    """What was still active long after the end of the script."""
    ended_ms: int = 0
    _is_said: bool = False

    def add(self, at_ms: int, happened: Input | None, effects: list[Effect]) -> None:
        is_audio = isinstance(happened, FrameHeard | AudioAppended)
        if not is_audio or any(not isinstance(effect, FeedRecognition) for effect in effects):
            self.steps.append(Step(at_ms, happened, effects))

    def hear(self, at_ms: int, frame: MicrophoneFrame) -> None:
        """Add a frame of the microphone that reached the server."""
        if not frame.is_said:
            self._is_said = False
            return
        if not self._is_said:
            self.utterances.append(Utterance(at_ms, at_ms))
        self._is_said = True
        self.utterances[-1].ended_ms = at_ms
        self.utterances[-1].words += [frame.text] if frame.text else []

    def effects(self) -> Iterator[tuple[int, Effect]]:
        """Yield all effects in order, each with its time."""
        for step in self.steps:
            for effect in step.effects:
                yield step.at_ms, effect

    def events(self, *types: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield server events in order, each with its time: all, or those of the given types."""
        for at_ms, effect in self.effects():
            if isinstance(effect, SendEvent) and (not types or effect.type in types):
                yield at_ms, effect.event

    @property
    def is_cut_off(self) -> bool:
        """Whether the server ended the session, and with it all that was in progress, while the line was there."""
        is_closed = any(isinstance(effect, Close) for _, effect in self.effects())
        return is_closed and self.dropped_ms is None

    @property
    def dropped_ms(self) -> int | None:
        """When the core was told that the telephone line has dropped; None: it was not."""
        return next((step.at_ms for step in self.steps if isinstance(step.happened, LineDropped)), None)

    def describe(self, from_ms: int = 0, until_ms: int | None = None) -> str:
        """Describe the conversation between two times, one input or effect a line."""
        lines: list[str] = []
        for step in self.steps:
            if from_ms <= step.at_ms and (until_ms is None or step.at_ms <= until_ms):
                if step.happened is not None:
                    lines.append(f"{step.at_ms:7} > {_name_input(step.happened)}")
                lines += [f"{step.at_ms:7}   < {_name_effect(effect)}" for effect in step.effects]
        return "\n".join(lines)


def _name_input(happened: Input) -> str:
    match happened:
        case SpeechOutput():
            return f"SpeechOutput({happened.generation}, {len(happened.pcm) * 1000 // happened.sample_rate} ms)"
        case EventReceived():
            return repr(happened.event)
        case _:
            return repr(happened)


_LONG = ("event_id", "type", "session", "rate_limits", "response")


def _name_effect(effect: Effect) -> str:
    match effect:
        case SendEvent():
            event = effect.event
            fields = {name: value for name, value in event.items() if name not in _LONG}
            if "response" in event:
                response = event["response"]
                fields["response"] = [response["id"], response["status"], response["status_details"]]
            return f"{event['type']} {fields or ''}"
        case SendAudio():
            return f"SendAudio({effect.event_fields['item_id']}, {len(effect.pcm) * 1000 // effect.sample_rate} ms)"
        case _:
            return repr(effect)
