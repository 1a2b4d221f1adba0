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
    """Empty or unknown: the engine's default voice."""
    speed: float = 1.0
    """0.25 to 4.0; 1.0 is the voice's own pace."""
    language: str = "en"


class Synthesizer(Protocol):
    """A loaded speech-synthesis model or service, shared by all sessions."""

    name: str
    sample_rate: int
    voices: tuple[str, ...]

    def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        """Speak one segment of speakable text (see `tts.speakable`); silence at its ends is trimmed.

        Closing the generator cancels the work. Raises `EngineError`.
        """
        ...

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...
