"""Makes streaming recognisers from decoders of whole windows (Moonshine, the Whisper family)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import to_float
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import Abilities, RecognitionOptions, StatelessSession, Transcript
from streamsrv.engines.asr.decoding_stream import DecodingStream
from streamsrv.engines.asr.windows.utterance import Hypothesis, Utterance
from streamsrv.engines.asr.windows.window import WindowLimits, WindowSnapshot
from streamsrv.errors import EngineError, Overloaded, Unavailable
from streamsrv.inference.scheduler import Priority, Scheduler

__all__ = [
    "AsyncWindowDecoder",
    "Decode",
    "Hypothesis",
    "IncrementalRecognizer",
    "ThreadedDecoder",
    "WindowDecoder",
    "decode_on_thread",
]


class WindowDecoder(Protocol):
    """A model that recognises a short recording, and blocks meanwhile."""

    max_window_ms: int
    """The longest audio that the decoder takes."""
    abilities: Abilities
    stops: bool
    """Whether `decode` returns soon, with any hypothesis, once `is_abandoned`."""

    def decode(
        self, samples: NDArray[np.float32], options: RecognitionOptions, is_abandoned: Callable[[], bool]
    ) -> Hypothesis:
        """Recognise mono audio at 16 kHz in -1..1. Blocks. Called on several worker threads at once."""
        ...


@dataclass(eq=False, slots=True)
class Decode:
    """A window that is to be decoded: mono int16 audio at 16 kHz."""

    samples: NDArray[np.int16]
    options: RecognitionOptions
    priority: Priority
    pauses: tuple[int, ...] = ()
    """Samples at which the window can be split into parts."""
    is_complete: bool = False
    """Whether its text is final unless more is said, so that the times of its words are worth an effort."""
    started: bool = False
    """Whether the work has begun, so that waiting for it is quicker than asking again."""


class AsyncWindowDecoder(Protocol):
    """What decodes the windows of all streams without blocking the event loop: on threads, in batches, or remotely."""

    max_window_ms: int
    abilities: Abilities
    stops: bool
    """Whether a cancelled decode soon frees what it uses, at no further cost."""

    async def decode(self, window: Decode) -> Hypothesis:
        """Recognise a window. Sets its `started`. Raises `EngineError`, or any exception of a broken engine."""
        ...


async def decode_on_thread(
    scheduler: Scheduler, window: Decode, decode: Callable[[Decode, Callable[[], bool]], Hypothesis]
) -> Hypothesis:
    """Run `decode(window, is_abandoned)` on a worker thread, by the priority of the window."""
    abandoned = Event()
    try:
        return await scheduler.run(window.priority, lambda: decode(window, abandoned.is_set))
    except asyncio.CancelledError:
        abandoned.set()
        raise


class ThreadedDecoder:
    """Runs a `WindowDecoder` on the worker threads of a scheduler."""

    def __init__(self, decoder: WindowDecoder, scheduler: Scheduler) -> None:
        self.max_window_ms = decoder.max_window_ms
        self.abilities = decoder.abilities
        self.stops = decoder.stops
        self._decoder = decoder
        self._scheduler = scheduler

    async def decode(self, window: Decode) -> Hypothesis:
        """Recognise a window on a worker thread, by its priority."""
        return await decode_on_thread(self._scheduler, window, self._decode)

    def _decode(self, window: Decode, is_abandoned: Callable[[], bool]) -> Hypothesis:
        """Decode on this thread.

        If a loop was cut from the text, the speaker may really have repeated the words. Then each part between the
        pauses is decoded separately.
        """
        window.started = True
        samples = to_float(window.samples)
        whole = self._decoder.decode(samples, window.options, is_abandoned)
        if is_abandoned() or not (whole.is_cut and window.pauses):
            return whole
        parts = [self._decoder.decode(part, window.options, is_abandoned) for part in np.split(samples, window.pauses)]
        return whole.of_parts(parts, window.pauses)


class IncrementalRecognizer:
    """A `Recognizer` over a decoder of windows, with partial results by LocalAgreement-2."""

    def __init__(self, decoder: AsyncWindowDecoder, name: str, limits: WindowLimits | None = None) -> None:
        self.name = name
        self.abilities = decoder.abilities
        self.max_window_ms = decoder.max_window_ms
        self.stops = decoder.stops
        self._decoder = decoder
        self._limits = (limits or WindowLimits()).within(decoder.max_window_ms)

    def connect(self) -> StatelessSession:
        """Begin a session, which holds nothing."""
        return StatelessSession(self.open)

    def open(self, options: RecognitionOptions) -> "IncrementalStream":
        """Start an utterance. Needs a running event loop."""
        return IncrementalStream(self, Utterance(self._limits), options)

    async def warm_up(self) -> None:
        """Decode a second of silence."""
        await self.decode(Decode(np.zeros(SPEECH_RATE_HZ, np.int16), RecognitionOptions(), Priority.FINAL))

    async def aclose(self) -> None:
        """Do nothing: there is only memory to free."""

    async def decode(self, window: Decode) -> Hypothesis:
        """Recognise a window; raises `EngineError`."""
        try:
            return await self._decoder.decode(window)
        except EngineError:
            raise
        except Exception as error:
            raise Unavailable(f"{self.name} failed: {error}") from error


@dataclass(slots=True)
class _Running:
    """The decode that a stream awaits."""

    snapshot: WindowSnapshot
    window: Decode


class IncrementalStream(DecodingStream):
    """Recognises one utterance: its window is decoded again and again while it grows."""

    def __init__(self, recognizer: IncrementalRecognizer, utterance: Utterance, options: RecognitionOptions) -> None:
        self._recognizer = recognizer
        self._utterance = utterance
        self._options = options
        self._running: _Running | None = None
        self._gave_way = False
        super().__init__(recognizer.name)

    def _take_audio(self, pcm: NDArray[np.int16], *, speech: bool) -> None:
        if transcript := self._utterance.push(pcm, speech=speech):
            self._transcripts.put(transcript)

    @property
    def _backlog_ms(self) -> float:
        return self._utterance.window.length_ms

    @property
    def _is_due(self) -> bool:
        return self._utterance.window.due

    def _end_audio(self) -> None:
        """What is left of the window is decoded, however little it is."""

    def _preempt(self) -> None:
        """Interrupt a decode that lacks the newest words: in a pause and at the end, all so far are wanted at once.

        In pauses not twice in a row, so that somebody who pauses often gets partial transcripts, too.
        """
        running = self._running
        if running is None or (self._settles(running) and (running.window.started or not self._finishing)):
            return
        if self._finishing:
            self._wait.interrupt()
        elif self._recognizer.stops and self._utterance.window.in_pause and not self._gave_way:
            self._gave_way = True
            self._wait.interrupt()

    def _settles(self, running: _Running) -> bool:
        """Whether the result of a decode will be final text: of a head, or of all words so far."""
        return running.snapshot.is_head or self._utterance.window.would_settle(running.snapshot)

    async def _decode_all(self) -> Transcript:
        while not (self._finishing and self._utterance.window.settled):
            await self._wake.wait()
            self._wake.clear()
            await self._decode_due()
        return self._utterance.final()

    async def _decode_due(self) -> None:
        window = self._utterance.window
        # The pause that a decode gave way to may be over by now, with too little new speech for another to be due.
        while window.due or self._gave_way or (self._finishing and not window.settled):
            snapshot = window.take()
            try:
                hypothesis = await self._decode(snapshot)
            except Overloaded:
                if self._finishing:
                    raise
                return  # the partial result was shed; the next audio tries again
            if hypothesis is not None:
                self._gave_way = False
                self._transcripts.put(self._utterance.accept(snapshot, hypothesis))
                self._keep_language(hypothesis)

    def _keep_language(self, hypothesis: Hypothesis) -> None:
        """Decode the rest of the utterance in a language that was detected with certainty, lest the language flap."""
        if hypothesis.is_sure_of_language and self._options.language is None:
            self._options = replace(self._options, language=hypothesis.language)

    async def _decode(self, snapshot: WindowSnapshot) -> Hypothesis | None:
        """Return the hypothesis, or None if a newer or more urgent decode is wanted."""
        priority = Priority.FINAL if self._finishing else Priority.PARTIAL
        is_complete = self._finishing or snapshot.ends_in_pause or snapshot.is_head
        window = Decode(snapshot.samples, self._options, priority, snapshot.pauses, is_complete)
        self._running = _Running(snapshot, window)
        try:
            return await self._wait.result_of(self._recognizer.decode(window))
        finally:
            self._running = None
