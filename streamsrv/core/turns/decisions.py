"""What turn taking decides. Pure."""

from dataclasses import dataclass

from streamsrv.core.effects import Effect
from streamsrv.core.latency import TurnLatency
from streamsrv.core.turns.input_buffer import CommittedAudio
from streamsrv.core.turns.resuming import Resumption
from streamsrv.engines.asr.base import Transcript


@dataclass(frozen=True, slots=True)
class TurnBegan:
    """The user has the floor. `heard`: what was recognised before that was certain."""

    resumes: Resumption | None = None
    """The turn with which the user goes on, because its end was found too early."""
    heard: Transcript = Transcript("")  # noqa: RUF009 (it cannot be changed)


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The user is done; `latency` begins with the end of the speech."""

    audio: CommittedAudio
    latency: TurnLatency


TurnChange = TurnBegan | TurnEnded
TurnDecision = Effect | TurnChange
