"""The speech-recognition protocol: what every recogniser takes and gives."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from streamsrv.engines.metering.base import Account


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; times are ms since the first sample pushed to the stream."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """The natural logarithm of the probability that the engine gave to one token of its text."""

    token: str
    logprob: float


@dataclass(frozen=True, slots=True)
class ReplacedRecognizer:
    """The recogniser that should have given a transcript, and why it could not, a sentence."""

    model: str
    reason: str


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
    end_of_turn: float | None = None
    """The engine's own probability (0..1) that the speaker is done; None from engines that do not judge it."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of a final transcript, if `RecognitionOptions.logprobs` asked for them."""
    model: str | None = None
    """Of a final transcript, the name of the recogniser that gave it; None: it is the one that was asked."""
    instead_of: ReplacedRecognizer | None = None
    """Of a final transcript, the recogniser that was replaced, if one was."""
    expected: str | None = None
    """Of a transcript at a pause, the final text if nothing more is said; None: `stable` and `tentative` are."""

    @property
    def text(self) -> str:
        """The text as it is known best: `expected`, else stable and tentative text joined by a space."""
        return f"{self.stable} {self.tentative}".strip() if self.expected is None else self.expected


@dataclass(frozen=True, slots=True)
class RecognizedUtterance:
    """What was said between two pauses; times are ms since the start of the recording, or of a session's audio."""

    text: str
    start_ms: int
    end_ms: int
    words: tuple[Word, ...] = ()
    """Empty where the engine has no word times."""
    language: str | None = None
    """The language that was spoken, where it is known."""
    translated_to: str | None = None
    """The language of the text, where it is a translation."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """If `RecognitionOptions.logprobs` asked for them."""


Task = Literal["transcribe", "translate"]
TRANSLATED_TO = "en"
"""The language into which the task `translate` translates."""


@dataclass(frozen=True, slots=True)
class RecognitionOptions:
    """What the client said about the speech and wants of it. Whoever makes them checks the engine's `Abilities`."""

    language: str | None = None
    """ISO 639-1 code, or None to detect (or the engine's only language)."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes of the languages that may be spoken, where `language` is None; empty: any."""
    prompt: str = ""
    """Words or style to expect."""
    keywords: tuple[str, ...] = ()
    """Names and terms that are likely to be said."""
    task: Task = "transcribe"
    """Write the words in the language that is spoken, or translate them into English."""
    logprobs: bool = False
    """Give `Transcript.logprobs`."""
    account: Account | None = field(default=None, compare=False)
    """Is told what the recognition costs; None: nobody pays for it."""

    @property
    def translated_to(self) -> str | None:
        """The language of the text that these options give, where it is a translation."""
        return TRANSLATED_TO if self.task == "translate" else None


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a recogniser can do. An option that needs what it lacks is refused before a stream is opened."""

    languages: frozenset[str] = frozenset()
    """ISO 639-1 codes of the languages it knows; empty: every one."""
    detects_language: bool = False
    """Whether it finds out which of its languages is spoken, and heeds `RecognitionOptions.languages`."""
    prompt: bool = False
    keywords: bool = False
    logprobs: bool = False
    translates: bool = False
    """Whether it can translate into English."""
    final_deadline_s: float = 15.0
    """Seconds after `finish` in which a working engine gives the final transcript of an utterance."""
    stall_deadline_s: float | None = None
    """Seconds of speech after which a working engine has given another transcript; None: it may give none before the
    final one."""


@dataclass(frozen=True, slots=True)
class RecognizerFacts:
    """What is known of a recogniser, whether or not it is loaded."""

    abilities: Abilities
    lacks: str = ""
    """What the operator can do to make it usable, such as a command; empty: it is usable."""
    is_local: bool = True
    """Whether this machine runs it: the server never chooses another one by itself."""

    def knows(self, language: str) -> bool:
        """Whether it recognises the language of this ISO 639-1 code."""
        return not self.abilities.languages or language in self.abilities.languages


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


class RecognitionSession(Protocol):
    """The utterances of one client session (or of one recording), in order. Called on the event loop; never blocks.

    Where the engine has a connection or another state for a session, it lives here. It is made in the background: audio
    of an utterance that was opened too early waits in a bounded buffer.
    """

    def open(self, options: RecognitionOptions) -> RecognitionStream:
        """Start an utterance, even if earlier ones await their final transcripts; raises `Overloaded`."""
        ...

    async def aclose(self) -> None:
        """Free what the session holds; its streams are closed before. Safe to call twice."""
        ...


class Recognizer(Protocol):
    """A loaded speech-recognition model or service, shared by all sessions."""

    name: str

    @property
    def abilities(self) -> Abilities:
        """What it can do."""
        ...

    def connect(self) -> RecognitionSession:
        """Begin a session. Needs a running event loop."""
        ...

    async def warm_up(self) -> None:
        """Run once on silence so that the first user does not pay for lazy initialisation."""
        ...

    async def aclose(self) -> None: ...


class StatelessSession:
    """A `RecognitionSession` of an engine that holds nothing for a session: `open_stream` starts an utterance."""

    def __init__(self, open_stream: Callable[[RecognitionOptions], RecognitionStream]) -> None:
        self._open_stream = open_stream

    def open(self, options: RecognitionOptions) -> RecognitionStream:
        """Start an utterance."""
        return self._open_stream(options)

    async def aclose(self) -> None:
        """Do nothing."""
