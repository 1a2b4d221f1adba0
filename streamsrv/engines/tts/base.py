"""The protocol of speech synthesisers."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamsrv.engines.metering.base import Account


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word and its position in the speech, in ms from the first sample of its segment."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """A piece of a segment's audio, mono int16 at the synthesiser's rate, and the words with their known positions.

    `words` is empty if the engine has no word timings; they are then estimated and marked as estimated.
    """

    pcm: NDArray[np.int16]
    words: tuple[SpokenWord, ...] = ()


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """How to speak. An engine ignores options that it does not support."""

    voice: str = ""
    """One of the engine's voices; empty: its default voice."""
    speed: float = 1.0
    """Factor on the voice's own pace, within the engine's `min_speed` and `max_speed`."""
    language: str = "en"
    """ISO 639-1 code of the text."""
    account: Account | None = field(default=None, compare=False)
    """Is told what the speech costs; None: nobody pays for it."""


class Synthesizer(Protocol):
    """A loaded speech-synthesis model or service, shared by all sessions."""

    name: str
    sample_rate: int
    voices: tuple[str, ...]
    """Names of the voices, the default voice first."""
    min_speed: float
    """Lowest supported `SpeechOptions.speed`; callers refuse lower ones."""
    max_speed: float
    """Highest supported `SpeechOptions.speed`; callers refuse higher ones."""

    def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        """Speak one segment of speakable text (see `text.speakable`), with the silence at its ends trimmed.

        Closing the generator cancels the work. Raises `EngineError`.
        """
        ...

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...
