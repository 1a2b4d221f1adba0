"""The protocols of end-of-turn models: how likely it is that the speaker is done, from the sound or from the words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

MAX_MS = 8_000
"""Longest audio that an end-of-turn model uses."""


class Calibrated(Protocol):
    """An end-of-turn model that hears. Models differ in what their probabilities mean."""

    name: str

    def evidence(self, probability: float) -> float:
        """Return how much a probability (0..1) of this model speaks for the end of the turn: 0 (nothing) to 1."""
        ...


class TurnModel(Calibrated, Protocol):
    """A loaded model that judges a pause, shared by all sessions. It keeps no state between calls."""

    def probability(self, pcm: NDArray[np.int16]) -> float:
        """Return the probability (0..1) that the speaker is done, from the newest audio of the turn.

        `pcm` is mono 16 kHz, shape (n,), and ends in the pause in question, at least 50 ms after the last speech. Only
        the last `MAX_MS` are used. Blocks for the computation. Called on several worker threads at once.
        """
        ...


@dataclass(frozen=True, slots=True)
class TurnScore:
    """What a streaming model says of one moment."""

    until_ms: int
    """The audio that it had heard, since the stream was opened or reset."""
    end: float
    """The probability (0..1) that the speaker is done."""
    backchannel: float | None = None
    """The probability (0..1) that the speech is a backchannel, which does not take the floor; None: not judged."""


class TurnStream(Protocol):
    """One session's use of a streaming model. Its methods block, and are called one at a time."""

    def feed(self, pcm: NDArray[np.int16]) -> Sequence[TurnScore]:
        """Take the next audio, mono 16 kHz, shape (n,); return the scores that are known now, in order of time."""
        ...

    def told(self, agent: str) -> None:
        """Take the last words of the agent before the user's turn; models that make no use of them ignore them."""
        ...

    def reset(self) -> None:
        """Forget what was heard and told."""
        ...


class StreamingTurnModel(Calibrated, Protocol):
    """A loaded model that judges every few frames, shared by all sessions. Its streams are used on several threads."""

    step_ms: float
    """How much audio it takes at a time: a stream gives no score before it has got so much more."""
    context_ms: int
    """How much audio from before the user's speech a stream is given first."""

    def open(self) -> TurnStream:
        """Return the state of one session."""
        ...


def is_streaming(model: TurnModel | StreamingTurnModel) -> TypeGuard[StreamingTurnModel]:
    """Whether a model that hears judges every few frames, and not pauses only."""
    return hasattr(model, "open")


@dataclass(frozen=True, slots=True)
class WordsEnding:
    """How likely (0..1) a turn ends after its words so far, by a language model that writes the next token."""

    as_recognized: float
    """After the text as the recogniser wrote it."""
    plain: float
    """After the text in lower case without marks, apostrophes excepted: recognisers end any pause with a full stop."""


class WordsTurnModel(Protocol):
    """A loaded language model that judges the words of a turn, shared by all sessions."""

    name: str
    languages: frozenset[str]
    """ISO 639-1 codes of the languages whose words it judges."""

    async def ending(self, text: str) -> WordsEnding:
        """Judge the transcript of a turn up to a pause; only its last 60 words count. Raises `EngineError`."""
        ...

    async def aclose(self) -> None:
        """Free the model."""
        ...
