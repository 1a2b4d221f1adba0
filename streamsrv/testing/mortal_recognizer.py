"""A fake recogniser that hears words written into the samples, and fails at a chosen place."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import Abilities, RecognitionOptions, Transcript, Word
from streamsrv.engines.asr.latest import LatestTranscript
from streamsrv.errors import EngineError, Overloaded, Unavailable

WORD_MS = 320
"""Length of a spoken word."""
LOOK_SAMPLES = WORD_MS * SPEECH_RATE_HZ // 4000
"""Samples from one that is looked at to the next."""

Place = Literal[
    "connect", "open", "push", "finish", "iterate", "end", "early_final", "take_back", "stall", "mute_finish",
    "broken_final", "cancel",
]  # fmt: skip
"""Where a recogniser fails: in one of its methods, by raising in its iterator, or by ending it; with a final transcript
before the end of the audio; by taking stable words back; by giving nothing more; by giving no final transcript, or an
error in its place; or because something that it awaits is cancelled."""
PLACES: tuple[Place, ...] = get_args(Place)


@dataclass(frozen=True, slots=True)
class Death:
    """How a recogniser fails in each utterance: at `place`, once it has heard `words` words."""

    place: Place
    words: int = 0
    error: EngineError | Exception = Unavailable("The provider has gone away.")  # noqa: RUF009 (it is not changed)


def spoken(number: int, ms: int = WORD_MS) -> NDArray[np.int16]:
    """Return the audio of the word "w<number>"; 0 is silence."""
    return np.full(ms * SPEECH_RATE_HZ // 1000, number, np.int16)


def word_of(number: int) -> str:
    """Return the word that is heard in `spoken(number)`."""
    return f"w{number}"


class MortalRecognizer:
    """Hears the word "w<n>" where samples have the value n, `delay_s` after its end.

    Interim transcripts have `tentative_words` tentative words. `style` renders a word, as models differ in case and
    punctuation. `hangs` at closing: a stream does not close until it is cancelled. `opened`, `closed` and `sessions`
    count streams and sessions.
    """

    def __init__(
        self,
        name: str,
        death: Death | None = None,
        *,
        delay_s: float = 0.1,
        tentative_words: int = 1,
        abilities: Abilities | None = None,
        uppercase: bool = False,
        hangs: bool = False,
    ) -> None:
        self.name = name
        self.abilities = abilities or Abilities(final_deadline_s=5.0, stall_deadline_s=3.0)
        self.death = death
        self.delay_s = delay_s
        self.tentative_words = tentative_words
        self.uppercase = uppercase
        self.hangs = hangs
        self.opened = self.closed = self.sessions = 0
        self.options: list[RecognitionOptions] = []

    def connect(self) -> "_MortalSession":
        if self.death is not None and self.death.place == "connect":
            raise self.death.error
        self.sessions += 1
        return _MortalSession(self)

    async def warm_up(self) -> None:
        if self.death is not None and isinstance(self.death.error, EngineError):
            raise self.death.error

    async def aclose(self) -> None: ...


class _MortalSession:
    def __init__(self, recognizer: MortalRecognizer) -> None:
        self._recognizer = recognizer

    def open(self, options: RecognitionOptions) -> "_MortalStream":
        death = self._recognizer.death
        if death is not None and (death.place == "open" or isinstance(death.error, Overloaded)):
            raise death.error
        self._recognizer.options.append(options)
        self._recognizer.opened += 1
        return _MortalStream(self._recognizer)

    async def aclose(self) -> None:
        self._recognizer.sessions -= 1


class _MortalStream:
    def __init__(self, recognizer: MortalRecognizer) -> None:
        self._recognizer = recognizer
        self._death = recognizer.death
        self._transcripts = LatestTranscript()
        self._loop = asyncio.get_running_loop()
        self._words: list[Word] = []
        self._value = 0  # of the newest sample
        self._samples = 0
        self._is_closed = self._is_dead = False
        self._has_stable = False

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None:
        if self._strikes("push"):
            raise self._error
        for position in range(0, len(pcm), LOOK_SAMPLES):
            self._hear(int(pcm[position]), self._samples + position)
        self._samples += len(pcm)
        self._die_meanwhile()

    def finish(self) -> None:
        if self._strikes("finish"):
            raise self._error
        if self._strikes("broken_final"):
            self._transcripts.end(self._error)
        if self._is_dead or self._strikes("mute_finish"):
            return
        self._later(Transcript(self._text(len(self._words)), words=tuple(self._words), is_final=True))

    async def aclose(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._recognizer.closed += 1
        self._transcripts.drop()
        if self._recognizer.hangs:
            await self._loop.create_future()

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        async for transcript in self._transcripts:
            yield transcript
            if transcript.is_final:
                yield Transcript("what comes after a final transcript does not count", is_final=True)

    @property
    def _error(self) -> Exception:
        assert self._death is not None
        return self._death.error

    def _strikes(self, place: Place) -> bool:
        return self._death is not None and self._death.place == place and len(self._words) >= self._death.words

    def _hear(self, value: int, position: int) -> None:
        if value and value != self._value:
            start_ms = position * 1000 // SPEECH_RATE_HZ
            text = word_of(value).upper() + "," if self._recognizer.uppercase else word_of(value)
            self._words.append(Word(text, start_ms, start_ms + WORD_MS))
            if not self._is_dead:
                self._later(self._interim())
        self._value = value

    def _interim(self) -> Transcript:
        stable = max(0, len(self._words) - self._recognizer.tentative_words)
        return Transcript(self._text(stable), " ".join(word.text for word in self._words[stable:]))

    def _text(self, count: int) -> str:
        return " ".join(word.text for word in self._words[:count])

    def _later(self, transcript: Transcript) -> None:
        self._loop.call_later(self._recognizer.delay_s, self._give, transcript)

    def _give(self, transcript: Transcript) -> None:
        if not self._transcripts.ended and not self._is_dead:
            self._transcripts.put(transcript)
            self._has_stable = bool(transcript.stable)
            if transcript.is_final:
                self._transcripts.end()

    def _die_meanwhile(self) -> None:
        if self._is_dead:
            return
        if self._strikes("iterate"):
            self._transcripts.end(self._error)
        elif self._strikes("end"):
            self._transcripts.end()
        elif self._strikes("early_final"):
            self._transcripts.put(Transcript(self._text(len(self._words)), is_final=True))
        elif self._strikes("take_back") and self._has_stable:
            self._transcripts.put(Transcript("something else was said", "here"))
        elif self._strikes("cancel"):
            self._transcripts.end(asyncio.CancelledError())  # pyright: ignore[reportArgumentType]
        elif not self._strikes("stall"):
            return
        self._is_dead = True
