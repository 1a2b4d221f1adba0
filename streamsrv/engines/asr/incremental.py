"""Makes streaming recognisers from decoders of whole windows (Moonshine, the Whisper family)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import to_float
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import Abilities, RecognitionOptions, StatelessSession, Transcript
from streamsrv.engines.asr.latest import LatestTranscript
from streamsrv.engines.asr.utterance import Hypothesis, Utterance
from streamsrv.engines.asr.window import WindowLimits, WindowSnapshot
from streamsrv.errors import EngineError, Overloaded, Unavailable
from streamsrv.inference.scheduler import Priority, Scheduler
from streamsrv.text.words import join_words

__all__ = ["Hypothesis", "IncrementalRecognizer", "WindowDecoder"]

MAX_BACKLOG_MS = 600_000
"""Audio that may wait for a decoder that cannot keep up. A stream with more fails with `Overloaded`."""


class WindowDecoder(Protocol):
    """A model that recognises a short recording."""

    max_window_ms: int
    """The longest audio that the decoder takes."""
    abilities: Abilities

    def decode(self, samples: NDArray[np.float32], options: RecognitionOptions) -> Hypothesis:
        """Recognise mono audio at 16 kHz in -1..1. Blocks. Called on several worker threads at once."""
        ...


class IncrementalRecognizer:
    """A `Recognizer` over a `WindowDecoder`, with partial results by LocalAgreement-2. Decodes run on the scheduler."""

    def __init__(
        self, decoder: WindowDecoder, scheduler: Scheduler, name: str, limits: WindowLimits | None = None
    ) -> None:
        self.name = name
        self.max_window_ms = decoder.max_window_ms
        self.abilities = decoder.abilities
        self._decoder = decoder
        self._scheduler = scheduler
        self._limits = (limits or WindowLimits()).within(decoder.max_window_ms)

    def connect(self) -> StatelessSession:
        """Begin a session, which holds nothing."""
        return StatelessSession(self.open)

    def open(self, options: RecognitionOptions) -> "IncrementalStream":
        """Start an utterance. Needs a running event loop."""
        return IncrementalStream(self, Utterance(self._limits), options)

    async def warm_up(self) -> None:
        """Decode a second of silence."""
        await self.run(Priority.FINAL, self.decode_call(np.zeros(SPEECH_RATE_HZ, np.int16), RecognitionOptions()))

    async def aclose(self) -> None:
        """Do nothing: there is only memory to free."""

    def decode_call(
        self, samples: NDArray[np.int16], options: RecognitionOptions, pauses: tuple[int, ...] = ()
    ) -> "DecodeCall":
        """Make a decode that the scheduler can run."""
        return DecodeCall(self._decoder, samples, options, pauses)

    async def run(self, priority: Priority, call: "DecodeCall") -> Hypothesis:
        """Run `call` on a worker thread; raises `EngineError`."""
        try:
            return await self._scheduler.run(priority, call)
        except EngineError:
            raise
        except Exception as error:
            raise Unavailable(f"{self.name} failed: {error}") from error


class DecodeCall:
    """One decode. `started` is true once a worker thread runs it.

    If a loop was cut from the text, the speaker may really have repeated the words. Then the audio is split at `pauses`
    (samples), and each part is decoded separately.
    """

    def __init__(
        self,
        decoder: WindowDecoder,
        samples: NDArray[np.int16],
        options: RecognitionOptions,
        pauses: tuple[int, ...] = (),
    ) -> None:
        self.started = False
        self._decoder = decoder
        self._samples = samples
        self._options = options
        self._pauses = pauses

    def __call__(self) -> Hypothesis:
        self.started = True
        samples = to_float(self._samples)
        whole = self._decoder.decode(samples, self._options)
        if not (whole.is_cut and self._pauses):
            return whole
        parts = [self._decoder.decode(part, self._options) for part in np.split(samples, self._pauses)]
        return replace(whole, text=join_words(tuple(filter(None, (part.text for part in parts)))))


@dataclass(slots=True)
class _Running:
    """The decode that a stream awaits. `scope` lets `finish` end the wait without cancelling the stream's task."""

    snapshot: WindowSnapshot
    call: DecodeCall
    scope: asyncio.Timeout


class IncrementalStream:
    """Recognises one utterance: a task decodes while audio comes, and the newest unread transcript is kept."""

    def __init__(self, recognizer: IncrementalRecognizer, utterance: Utterance, options: RecognitionOptions) -> None:
        self._recognizer = recognizer
        self._utterance = utterance
        self._options = options
        self._running: _Running | None = None
        self._finishing = False
        self._wake = asyncio.Event()
        self._transcripts = LatestTranscript()
        self._task = asyncio.get_running_loop().create_task(self._work(), name=f"recognition-{recognizer.name}")

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None:
        """Take mono PCM at 16 kHz; ignored once the stream has ended."""
        if self._finishing or self._transcripts.ended:
            return
        if transcript := self._utterance.push(pcm, speech=speech):
            self._transcripts.put(transcript)
        if self._utterance.window.length_ms > MAX_BACKLOG_MS:
            self._transcripts.end(
                Overloaded(f"{self._recognizer.name} is {MAX_BACKLOG_MS // 1000} s of speech behind.")
            )
            self._task.cancel()
        elif self._utterance.window.due:
            self._wake.set()

    def finish(self) -> None:
        """End the audio: the final transcript comes at once if all words are known, else after one decode."""
        if self._finishing:
            return
        self._finishing = True
        self._wake.set()
        if (running := self._running) is not None:
            is_useful = running.snapshot.is_head or self._utterance.window.would_settle(running.snapshot)
            if not (is_useful and running.call.started):
                running.scope.reschedule(0)  # end the wait: a decode at final priority follows

    async def aclose(self) -> None:
        """Drop the stream. A decode that has started runs to its end, and its result is ignored."""
        self._transcripts.drop()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def __aiter__(self) -> AsyncIterator[Transcript]:
        return self

    async def __anext__(self) -> Transcript:
        return await anext(self._transcripts)

    async def _work(self) -> None:
        window = self._utterance.window
        try:
            while not (self._finishing and window.settled):
                await self._wake.wait()
                self._wake.clear()
                await self._decode_due()
            self._transcripts.put(self._utterance.final())
            self._transcripts.end()
        except Exception as error:
            self._transcripts.end(error)

    async def _decode_due(self) -> None:
        window = self._utterance.window
        while window.due or (self._finishing and not window.settled):
            snapshot = window.take()
            try:
                hypothesis = await self._decode(snapshot)
            except Overloaded:
                if self._finishing:
                    raise
                return  # the partial result was shed; the next audio tries again
            if hypothesis is not None:
                self._transcripts.put(self._utterance.accept(snapshot, hypothesis))

    async def _decode(self, snapshot: WindowSnapshot) -> Hypothesis | None:
        """Return the hypothesis, or None if `finish` wants a newer or more urgent decode."""
        call = self._recognizer.decode_call(snapshot.samples, self._options, snapshot.pauses)
        try:
            async with asyncio.timeout(None) as scope:
                self._running = _Running(snapshot, call, scope)
                return await self._recognizer.run(Priority.FINAL if self._finishing else Priority.PARTIAL, call)
        except TimeoutError:
            return None
        finally:
            self._running = None
