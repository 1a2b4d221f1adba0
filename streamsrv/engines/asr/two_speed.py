"""Combines two recognisers: a fast one while the user speaks, and a more accurate one for the final transcript.

The accurate one decodes only when the speaker pauses. If the turn then ends, its transcript is ready or almost ready,
because it was computed during the silence that ends the turn. The final transcript waits at most `budget_ms` for it.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamsrv.engines.asr.base import (
    Abilities,
    RecognitionOptions,
    RecognitionSession,
    RecognitionStream,
    Recognizer,
    Transcript,
)
from streamsrv.engines.asr.failover.merging import continuation
from streamsrv.engines.asr.latest import LatestTranscript
from streamsrv.engines.asr.pause_gate import MAX_MS, Frame, HeldSpeech, Pace
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.observer import IGNORED, EngineObserver, failure_reason
from streamsrv.engines.options import read_options
from streamsrv.errors import EngineError

logger = logging.getLogger(__name__)

MIN_TURN_SILENCE_MS = 300
"""Shortest silence that ends a turn: the accurate recogniser may take this long without a delay."""
MAX_ANSWER_S = 2.0
"""Seconds after which a request without an answer no longer counts: it was shed, or had nothing to decode."""
MAX_QUEUE_AGE_S = 0.1
"""Age of the queue for worker threads, in seconds, above which the accurate recogniser is not used."""


@dataclass(frozen=True, slots=True)
class TwoSpeedOptions:
    """Options of a catalogue entry with this engine."""

    fast: str
    """Name of the recogniser for partial results."""
    accurate: str
    """Name of the recogniser for the final transcript."""
    budget_ms: Annotated[int, Field(ge=0)] = 150
    """How long after the end of the turn the final transcript may wait for the accurate recogniser."""
    at_once: Annotated[int, Field(ge=1)] = 1
    """Streams that the accurate recogniser may decode at once. Leave a thread for the fast one."""


OPTIONS = TwoSpeedOptions


def load(entry: ModelEntry, context: LoadContext) -> "TwoSpeedRecognizer":
    """Load two recognisers of the catalogue. Options: `TwoSpeedOptions`."""
    options = read_options(TwoSpeedOptions, entry)
    fast, accurate = context.load_part(options.fast), context.load_part(options.accurate)
    return TwoSpeedRecognizer(
        fast,
        accurate,
        entry.name,
        budget_ms=options.budget_ms,
        at_once=options.at_once,
        queue_age_s=lambda: context.scheduler.queue_age_s,
    )


class TwoSpeedRecognizer:
    """A `Recognizer` that combines two; see `TwoSpeedOptions`. `clock` and `queue_age_s` return seconds."""

    def __init__(
        self,
        fast: Recognizer,
        accurate: Recognizer,
        name: str,
        *,
        budget_ms: int = 150,
        at_once: int = 1,
        clock: Callable[[], float] = time.monotonic,
        queue_age_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.name = name
        self.abilities = _abilities_of_both(fast.abilities, accurate.abilities)
        self.budget_ms = budget_ms
        self.clock = clock
        self.pace = Pace()
        self.asked_at_s: dict[TwoSpeedStream, float] = {}
        """The time of the request that the accurate recogniser has not answered yet, by stream."""
        self.finals = Counter[Literal["fast", "accurate"]]()
        """The number of final transcripts from each recogniser."""
        self._fast = fast
        self._accurate = accurate
        self._at_once = at_once
        self._queue_age_s = queue_age_s
        self._observer: EngineObserver = IGNORED

    @property
    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """The names of both recognisers; the fast one takes the place of the accurate one."""
        return {self._fast.name: (), self._accurate.name: (self._fast.name,)}

    def observe(self, observer: EngineObserver) -> None:
        """Report failures of the accurate recogniser to `observer` from now on."""
        self._observer = observer

    def connect(self) -> "TwoSpeedSession":
        """Begin a session with both recognisers."""
        return TwoSpeedSession(self, self._fast.connect(), self._accurate.connect())

    def is_busy(self, stream: "TwoSpeedStream") -> bool:
        """Whether the accurate recogniser already decodes for `at_once` other streams, or all threads are busy."""
        if self._queue_age_s() > MAX_QUEUE_AGE_S:
            return True
        recent = self.clock() - MAX_ANSWER_S
        return sum(other is not stream and at > recent for other, at in self.asked_at_s.items()) >= self._at_once

    async def warm_up(self) -> None:
        """Warm up both recognisers."""
        await asyncio.gather(self._fast.warm_up(), self._accurate.warm_up())

    async def aclose(self) -> None:
        """Close both recognisers."""
        await asyncio.gather(self._fast.aclose(), self._accurate.aclose())

    def go_on_with_fast(self, error: EngineError) -> None:
        """Log and report that the accurate recogniser has failed for one utterance."""
        self._observer.failed("recognizer", self._accurate.name, failure_reason(error))
        self._observer.fell_back("recognizer", self._accurate.name, self._fast.name)
        logger.info("%s: only the fast recogniser is used for this utterance: %s", self.name, error)


class TwoSpeedSession:
    """A session with both recognisers."""

    def __init__(self, recognizer: TwoSpeedRecognizer, fast: RecognitionSession, accurate: RecognitionSession) -> None:
        self._recognizer = recognizer
        self._fast = fast
        self._accurate = accurate

    def open(self, options: RecognitionOptions) -> "TwoSpeedStream":
        """Start an utterance."""
        return TwoSpeedStream(self._recognizer, self._fast.open(options), self._open_accurate(options))

    async def aclose(self) -> None:
        """Close both sessions."""
        await asyncio.gather(self._fast.aclose(), self._accurate.aclose())

    def _open_accurate(self, options: RecognitionOptions) -> RecognitionStream | None:
        try:
            return self._accurate.open(options)
        except EngineError as error:
            self._recognizer.go_on_with_fast(error)
            return None


def _abilities_of_both(fast: Abilities, accurate: Abilities) -> Abilities:
    """Return what both can do. A prompt is of use if one takes it."""
    some, others = fast.languages, accurate.languages
    return Abilities(
        languages=some & others if some and others else some or others,
        detects_language=fast.detects_language and accurate.detects_language,
        prompt=fast.prompt or accurate.prompt,
        keywords=fast.keywords or accurate.keywords,
        translates=fast.translates and accurate.translates,
        final_deadline_s=fast.final_deadline_s,
        stall_deadline_s=fast.stall_deadline_s,
    )


class TwoSpeedStream:
    """Recognises one utterance. Stable text is the fast stream's; in a pause, tentative text is the accurate one's."""

    def __init__(
        self, recognizer: TwoSpeedRecognizer, fast: RecognitionStream, accurate: RecognitionStream | None
    ) -> None:
        self._recognizer = recognizer
        self._fast = fast
        self._accurate = accurate
        self._abandoned = accurate is None
        self._held = HeldSpeech()
        self._asked_ms = 0.0  # speech given to the accurate stream so far
        self._refused = False  # whether a decode was skipped in this pause
        self._finishing = False
        self._wait_until_s = 0.0  # on the event loop's clock
        self._heard_fast = Transcript("")
        self._heard_accurate: Transcript | None = None  # the newest, if it covers all speech
        loop = asyncio.get_running_loop()
        self._final: asyncio.Future[Transcript | None] = loop.create_future()
        self._newest = LatestTranscript()
        self._tasks = [loop.create_task(self._follow_fast(), name=f"recognition-{recognizer.name}")]
        if accurate is not None:
            self._tasks.append(loop.create_task(self._follow_accurate(accurate), name=f"final-{recognizer.name}"))

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None:
        """Take mono PCM at 16 kHz."""
        self._fast.push(pcm, speech=speech)
        if self._finishing or self._abandoned:
            return
        self._held.push(Frame(pcm, speech))
        if speech:
            self._heard_accurate = None
            self._refused = False
        if not self._held.speech_ms or (self._held.is_complete and self._may_ask()):
            self._ask()
        elif self._held.length_ms > MAX_MS:
            self._abandon()

    def finish(self) -> None:
        """End the audio: the final transcript is the accurate one if it comes within the budget, else the fast one."""
        if self._finishing:
            return
        self._finishing = True
        self._fast.finish()
        if self._abandoned or self._accurate is None:
            return
        if self._missing_ms() > self._recognizer.budget_ms:
            self._abandon()
            return
        self._ask()
        self._accurate.finish()
        self._wait_until_s = asyncio.get_running_loop().time() + self._recognizer.budget_ms / 1000

    async def aclose(self) -> None:
        """Drop both streams."""
        self._newest.drop()
        self._abandon()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for stream in filter(None, (self._fast, self._accurate)):
            await stream.aclose()

    def __aiter__(self) -> AsyncIterator[Transcript]:
        return self._newest

    def _may_ask(self) -> bool:
        """Whether an answer would be in time, and the accurate recogniser is not busy."""
        expected_ms = self._recognizer.pace.expected_ms(self._asked_ms + self._held.speech_ms)
        if self._held.pause_ms + expected_ms > MIN_TURN_SILENCE_MS + self._recognizer.budget_ms:
            if not self._refused:
                self._refused = True
                self._recognizer.pace.refused()
            return False
        return not self._recognizer.is_busy(self)

    def _ask(self) -> None:
        """Give the held audio to the accurate stream, which answers if there is speech in it."""
        if self._accurate is None:
            return
        if self._held.speech_ms:
            self._asked_ms += self._held.speech_ms
            self._recognizer.asked_at_s[self] = self._recognizer.clock()
        for frame in self._held.take():
            self._accurate.push(frame.pcm, speech=frame.speech)

    def _missing_ms(self) -> float:
        """Estimate how long the accurate transcript of all pushed audio still takes."""
        pace = self._recognizer.pace
        if self._held.speech_ms:
            return pace.expected_ms(self._asked_ms + self._held.speech_ms)
        if (asked_at_s := self._recognizer.asked_at_s.get(self)) is None:
            return 0
        return pace.expected_ms(self._asked_ms) - (self._recognizer.clock() - asked_at_s) * 1000

    def _abandon(self) -> None:
        self._abandoned = True
        self._held.take()
        self._recognizer.asked_at_s.pop(self, None)

    def _answered(self, transcript: Transcript) -> None:
        """Take a transcript of the accurate recogniser, which counts if it covers all audio that it was given."""
        if not transcript.at_pause:
            return
        if (asked_at_s := self._recognizer.asked_at_s.pop(self, None)) is not None:
            took_ms = (self._recognizer.clock() - asked_at_s) * 1000
            self._recognizer.pace.measured(self._asked_ms, took_ms)
        if not (self._held.speech_ms or self._finishing):
            self._heard_accurate = transcript
            self._newest.put(self._merged())

    def _merged(self) -> Transcript:
        if self._heard_accurate is None:
            return self._heard_fast
        tentative = continuation(self._heard_fast.stable, self._heard_accurate.text)
        return replace(self._heard_fast, tentative=tentative, at_pause=True)

    async def _follow_fast(self) -> None:
        try:
            async for transcript in self._fast:
                if transcript.is_final:
                    self._newest.put(await self._better(transcript))
                    break
                self._heard_fast = transcript
                self._newest.put(self._merged())
            self._newest.end()
        except Exception as error:
            self._newest.end(error)

    async def _follow_accurate(self, accurate: RecognitionStream) -> None:
        try:
            async for transcript in accurate:
                self._answered(transcript)
                if transcript.is_final:
                    self._final.set_result(transcript)
        except EngineError as error:
            self._recognizer.go_on_with_fast(error)
        finally:
            self._abandoned = True
            if not self._final.done():
                self._final.set_result(None)

    async def _better(self, fast: Transcript) -> Transcript:
        """Return the accurate final transcript if it comes in time, else the fast one."""
        accurate = None
        if self._final.done() or not self._abandoned:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._wait_until_s):
                    accurate = await asyncio.shield(self._final)
        self._recognizer.finals["accurate" if accurate else "fast"] += 1
        return accurate or fast
