"""A session core under test: inputs go in as a person would say them, events and effects come out."""

import json
from collections import defaultdict
from typing import Any, TypeVar

import numpy as np

from streamsrv.core.call_rules import CallRules
from streamsrv.core.capabilities import Capabilities
from streamsrv.core.effects import Effect, FinishRecognition, Generate, OpenRecognition, SendEvent, Synthesize
from streamsrv.core.inputs import (
    AudioAppended,
    EventReceived,
    FrameHeard,
    Input,
    ModelOutput,
    SegmentSpoken,
    SpeechOutput,
    TimerFired,
    TranscriptReceived,
)
from streamsrv.core.session import SessionCore
from streamsrv.core.timers import TimerKey
from streamsrv.engines.asr.base import Transcript
from streamsrv.engines.llm.base import Finished, Text
from streamsrv.protocol.client_events import decode_client_event
from streamsrv.protocol.session_object import Session
from streamsrv.text.voice_manners import VoiceManners

RATE = 24_000
Kind = TypeVar("Kind")


def counting_ids():
    """Ids such as item_1, item_2, resp_1: the same in every run."""
    counts: defaultdict[str, int] = defaultdict(int)

    def new_id(prefix: str) -> str:
        counts[prefix] += 1
        return f"{prefix}_{counts[prefix]}"

    return new_id


class Talk:
    """Drives a `SessionCore`; `now_ms` is its wall clock, `heard_ms` the length of its input audio."""

    def __init__(
        self,
        *,
        holds_playback: bool = False,
        max_session_ms: int = 0,
        responses_per_minute: int = 100,
        manners: VoiceManners = VoiceManners(),  # noqa: B008 (it cannot be changed)
        capabilities: Capabilities | None = None,
        call: CallRules | None = None,
        **session: Any,
    ) -> None:
        self.core = SessionCore(
            Session(**{"id": "sess_1", "expires_at": 0, "model": "test", **session}),
            new_id=counting_ids(),
            responses_per_minute=responses_per_minute,
            holds_playback=holds_playback,
            max_session_ms=max_session_ms,
            manners=manners,
            capabilities=capabilities,
            call=call,
        )
        self.now_ms = 0
        self.heard_ms = 0
        self.all: list[Effect] = self.core.start()

    def give(self, happened: Input) -> list[Effect]:
        effects = self.core.handle(happened, self.now_ms)
        self.all += effects
        return effects

    def client(self, text: str) -> list[Effect]:
        """A client event, as the JSON of the wire."""
        return self.give(EventReceived(decode_client_event(text)))

    def send(self, event_type: str, **fields: Any) -> list[Effect]:
        """A client event, by its fields."""
        return self.client(json.dumps({"type": event_type, **fields}))

    def update(self, **session: Any) -> list[Effect]:
        return self.send("session.update", session=session)

    def hear(self, probability: float, duration_ms: int) -> list[Effect]:
        """Input audio in which every frame has this probability of speech."""
        effects: list[Effect] = []
        for _ in range(duration_ms // 32):
            self.heard_ms += 32
            self.now_ms += 32
            effects += self.give(AudioAppended(self.heard_ms))
            effects += self.give(FrameHeard(probability, self.heard_ms))
        return effects

    def speech(self, duration_ms: int = 960) -> list[Effect]:
        return self.hear(0.99, duration_ms)

    def silence(self, duration_ms: int = 640) -> list[Effect]:
        return self.hear(0.01, duration_ms)

    def transcript(self, text: str, item_id: str | None = None) -> list[Effect]:
        """The final transcript of the last recognition that was finished."""
        item_id = item_id or of_type(self.all, FinishRecognition)[-1].item_id
        return self.give(TranscriptReceived(item_id, Transcript(text, is_final=True)))

    def partial(self, stable: str, tentative: str = "") -> list[Effect]:
        item_id = of_type(self.all, OpenRecognition)[-1].item_id
        return self.give(TranscriptReceived(item_id, Transcript(stable, tentative)))

    def says(self, text: str) -> list[Effect]:
        """The user says something: a whole turn up to its transcript."""
        return [*self.speech(), *self.silence(), *self.transcript(text)]

    @property
    def generation(self) -> int:
        return of_type(self.all, Generate)[-1].generation

    def model(self, *deltas: Any) -> list[Effect]:
        """Deltas of the language model for the last generation; strings are text."""
        effects: list[Effect] = []
        for delta in deltas:
            effects += self.give(ModelOutput(self.generation, Text(delta) if isinstance(delta, str) else delta))
        return effects

    def synthesize(self, *, ms_per_character: int = 50) -> list[Effect]:
        """Speak every segment that is asked for, until no more is."""
        effects: list[Effect] = []
        asked = of_type(self.all, Synthesize)[-1:]
        while asked:
            samples = len(asked[0].text) * ms_per_character * RATE // 1000
            effects += self.give(SpeechOutput(asked[0].generation, np.ones(samples, np.int16), RATE))
            last = self.give(SegmentSpoken(asked[0].generation))
            effects += last
            asked = of_type(last, Synthesize)
        return effects

    def answers(self, text: str) -> list[Effect]:
        """A whole spoken answer."""
        return [*self.model(text, Finished("stop")), *self.synthesize()]

    def fire(self, timer: TimerKey) -> list[Effect]:
        return self.give(TimerFired(timer))


def of_type(effects: list[Effect], kind: type[Kind]) -> list[Kind]:
    return [effect for effect in effects if isinstance(effect, kind)]


def events(effects: list[Effect]) -> list[dict[str, Any]]:
    """The server events among effects."""
    return [effect.event for effect in of_type(effects, SendEvent)]


def types(effects: list[Effect]) -> list[str]:
    return [event["type"] for event in events(effects)]


def event(effects: list[Effect], event_type: str) -> dict[str, Any]:
    """The only event of a type."""
    found = [sent for sent in events(effects) if sent["type"] == event_type]
    assert len(found) == 1, f"{event_type}: {len(found)} in {types(effects)}"
    return found[0]


def error(effects: list[Effect]) -> dict[str, Any]:
    """The body of the only error event."""
    return event(effects, "error")["error"]
