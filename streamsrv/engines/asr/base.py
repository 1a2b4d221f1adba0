"""The speech-recognition protocol: what every recogniser takes and gives."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; times are ms since the first sample pushed to the stream."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """The text of a stream so far; each replaces the one before.

    `stable` only ever grows (by appending) until the final transcript; `tentative` is what follows it and may be
    taken back. A final transcript has no tentative text, is authoritative, and may differ from earlier stable text.
    """

    stable: str
    tentative: str = ""
    words: tuple[Word, ...] = ()
    language: str | None = None
    is_final: bool = False
    at_pause: bool = False
    """It covers all speech so far, decoded after the speaker paused; engines that cannot tell leave it False."""

    @property
    def text(self) -> str:
        """Stable and tentative text joined by a space."""
        return f"{self.stable} {self.tentative}".strip()


@dataclass(frozen=True, slots=True)
class RecognizedUtterance:
    """What was said between two pauses; times are ms since the start of the recording, or of a session's audio."""

    text: str
    start_ms: int
    end_ms: int
    words: tuple[Word, ...] = ()
    """Empty where the engine has no word times."""
    language: str | None = None


@dataclass(frozen=True, slots=True)
class RecognitionOptions:
    """What the client said about the speech; an engine ignores what it cannot use."""

    language: str | None = None
    """ISO 639-1 code, or None to detect (or the engine's only language)."""
    prompt: str = ""
    """Words or style to expect."""


class RecognitionStream(Protocol):
    """One utterance being recognised. All methods are called on the event loop and never block.

    Iterating yields transcripts until the final one, then stops; it raises `EngineError` when the engine fails.
    """

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None:
        """Take mono PCM at 16 kHz, any length; `speech` tells whether voice activity was found in it."""
        ...

    def finish(self) -> None:
        """No more audio comes: give the final transcript, as soon as possible."""
        ...

    async def aclose(self) -> None:
        """Drop the stream and whatever it still computes; safe to call twice and after the end."""
        ...

    def __aiter__(self) -> AsyncIterator[Transcript]: ...


class Recognizer(Protocol):
    """A loaded speech-recognition model or service, shared by all sessions."""

    name: str
    languages: frozenset[str]
    """ISO 639-1 codes of the languages it knows; empty: every one."""
    takes_prompt: bool
    """Whether it makes use of `RecognitionOptions.prompt`."""

    def open(self, options: RecognitionOptions) -> RecognitionStream:
        """Start an utterance; raises `Overloaded` when the engine can take no more."""
        ...

    async def warm_up(self) -> None:
        """Run once on silence so that the first user does not pay for lazy initialisation."""
        ...

    async def aclose(self) -> None: ...
