"""The protocol of speech synthesisers."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from streamsrv.engines.metering.base import Account


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice of a synthesiser."""

    name: str
    languages: frozenset[str] = frozenset()
    """ISO 639-1 codes of what it speaks; empty: any language."""
    description: str = ""
    gender: Literal["female", "male", ""] = ""
    """As listeners would say; empty: not known."""
    marks: frozenset[str] = frozenset()
    """Those of `text.voice_marks` that it performs; it is given no others."""

    def speaks(self, language: str) -> bool:
        """Whether it speaks the language of an ISO 639-1 code."""
        return not self.languages or language in self.languages


@dataclass(frozen=True, slots=True)
class ReferenceVoice:
    """A recording whose voice a synthesiser speaks with. What is computed from it may be kept by `id`."""

    id: str
    recording: Path
    """A WAV file, mono, int16 at 24 kHz, of 6 to 30 s."""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word of the spoken text and its position in the speech, in ms from the first sample of its segment."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class SpokenBy:
    """Who spoke a piece of audio."""

    synthesizer: str
    voice: str
    instead_of: str = ""
    """The synthesiser that should have spoken, and could not; empty: it is the one that was chosen."""


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """A piece of a segment's audio, mono int16 at the synthesiser's rate, and the words with their known positions.

    `words` is empty if the engine has no word timings; they are then estimated and marked as estimated.
    """

    pcm: NDArray[np.int16]
    words: tuple[SpokenWord, ...] = ()
    spoken_by: SpokenBy | None = None
    """None: the synthesiser that was asked."""


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """How to speak. An engine ignores options that it does not support."""

    voice: str = ""
    """Name of one of the engine's voices; empty: its default voice."""
    reference: ReferenceVoice | None = None
    """Speak with the voice of this recording, not with `voice`; only for engines that clone voices."""
    speed: float = 1.0
    """Factor on the voice's own pace, within the engine's `min_speed` and `max_speed`."""
    language: str = "en"
    """ISO 639-1 code of the text."""
    account: Account | None = field(default=None, compare=False)
    """Is told what the speech costs; None: nobody pays for it."""


class Synthesizer(Protocol):
    """A loaded speech-synthesis model or service, shared by all sessions."""

    name: str

    @property
    def sample_rate(self) -> int:
        """Of its audio, in Hz; known once the model is warmed up, as the properties below."""
        ...

    @property
    def clones_voices(self) -> bool:
        """Whether it speaks with the voices of recordings."""
        ...

    @property
    def min_speed(self) -> float:
        """Lowest supported `SpeechOptions.speed`; callers refuse lower ones."""
        ...

    @property
    def max_speed(self) -> float:
        """Highest supported `SpeechOptions.speed`; callers refuse higher ones."""
        ...

    @property
    def voices(self) -> tuple[Voice, ...]:
        """The default voice first."""
        ...

    def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        """Speak one segment of speakable text (see `text.speakable`).

        Closing the generator cancels the work. Raises `EngineError`.
        """
        ...

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...
