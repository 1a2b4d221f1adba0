"""The speech-synthesis protocol: what every synthesiser takes and gives."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word and where it is heard; ms since the first sample of its segment."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """A piece of a segment's audio: mono int16 at the synthesiser's rate, and the words the engine places in it.

    `words` is empty where the engine has no word timings; they are then estimated and marked so.
    """

    pcm: NDArray[np.int16]
    words: tuple[SpokenWord, ...] = ()


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """How to speak; an engine ignores what it cannot use."""

    voice: str = ""
    """One of the engine's voices; empty: its default one."""
    speed: float = 1.0
    """Times the voice's own pace, within the engine's `min_speed` and `max_speed`."""
    language: str = "en"


class Synthesizer(Protocol):
    """A loaded speech-synthesis model or service, shared by all sessions."""

    name: str
    sample_rate: int
    voices: tuple[str, ...]
    """Their names, the default one first."""
    min_speed: float
    max_speed: float
    """`SpeechOptions.speed` that it can do; a request for another one is refused before it comes here."""

    def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        """Speak one segment of speakable text (see `tts.speakable`); silence at its ends is trimmed.

        Closing the generator cancels the work. Raises `EngineError`.
        """
        ...

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...
