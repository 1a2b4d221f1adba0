"""Streams speech through a cache-aware transducer on sherpa-onnx. Steps of several streams are decoded in one batch."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import to_float
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import Abilities, RecognitionOptions, StatelessSession, Transcript
from streamsrv.engines.asr.fed_stream import FedStream
from streamsrv.engines.asr.speech_feed import SpeechFeed, StepGrid
from streamsrv.engines.asr.tokens import Token, TokenTranscripts, read_tokens
from streamsrv.errors import Overloaded, Unavailable
from streamsrv.inference.droppable import Droppable
from streamsrv.inference.scheduler import Priority, Scheduler

MAX_STEP_SAMPLES = SPEECH_RATE_HZ
"""Most audio of one stream in a batch, unless a step of the model is longer: other streams wait for the batch."""
MAX_SEGMENT_SAMPLES = 60 * SPEECH_RATE_HZ
"""Audio after which the next pause ends a segment: the results of a segment hold all its tokens."""

Decoded = tuple[Token, ...] | Exception
"""The tokens of a segment so far, or why there are none."""


@dataclass(frozen=True, slots=True)
class StreamingModel:
    """A loaded `sherpa_onnx.OnlineRecognizer` and what the recogniser must know of it."""

    native: Any
    grid: StepGrid
    token_ms: float
    """How long a frame of the encoder lasts."""
    grows: bool
    """Whether tokens are only added (greedy search)."""
    takes_language: bool = False
    """Whether the model is told the language of a stream."""
    spell: Callable[[tuple[str, ...]], str] = "/".join
    """Writes keywords in the form that sherpa-onnx wants."""


class Segment:
    """The state of the model for one segment of an utterance. It is made by the first step, on a worker thread."""

    def __init__(self, model: StreamingModel, options: RecognitionOptions, start_ms: float) -> None:
        self._model = model
        self._options = options
        self._start_ms = start_ms
        self.stream: Any = None

    def hear(self, samples: NDArray[np.int16]) -> None:
        """Take audio. Blocks."""
        if self.stream is None:
            native, options = self._model.native, self._options
            self.stream = native.create_stream(self._model.spell(options.keywords) if options.keywords else None)
            if self._model.takes_language and options.language:
                self.stream.set_option("language", options.language)
        self.stream.accept_waveform(SPEECH_RATE_HZ, to_float(samples))

    def tokens(self) -> tuple[Token, ...]:
        """Return all tokens so far."""
        result = self._model.native.get_result_all(self.stream)
        return read_tokens(result.tokens, result.timestamps, result.ys_probs, self._start_ms)


class Step(Droppable):
    """Audio that a segment is to hear next."""

    def __init__(self, segment: Segment, samples: NDArray[np.int16], *, completes: bool) -> None:
        super().__init__()
        self.segment = segment
        self.samples = samples
        self.completes = completes
        """Whether nothing waits in the feed after it."""

    def again(self) -> "Step":
        """Return the same step, to be asked for anew after it was dropped or shed."""
        return Step(self.segment, self.samples, completes=self.completes)


class SherpaStreamingRecognizer:
    """A `Recognizer` over a streaming model. Partial results come once per step of the model."""

    def __init__(self, model: StreamingModel, abilities: Abilities, scheduler: Scheduler, name: str) -> None:
        self.name = name
        self.abilities = abilities
        self.model = model
        self._scheduler = scheduler
        # A batch belongs to a function, so there is one for each priority.
        self._batches = {priority: BatchDecoder(model.native) for priority in (Priority.PARTIAL, Priority.FINAL)}

    def connect(self) -> StatelessSession:
        """Begin a session, which holds nothing."""
        return StatelessSession(self.open)

    def open(self, options: RecognitionOptions) -> "SherpaStream":
        """Start an utterance. Needs a running event loop."""
        return SherpaStream(self, options)

    async def warm_up(self) -> None:
        """Decode two steps of silence, which also finds files that do not belong together."""
        silence = np.zeros(self.model.grid.first + self.model.grid.shift, np.int16)
        await self.decode(Priority.FINAL, Step(Segment(self.model, RecognitionOptions(), 0), silence, completes=True))

    async def aclose(self) -> None:
        """Let the memory of the model be freed: the scheduler keeps the functions of its batches."""
        for batch in self._batches.values():
            batch.native = None

    async def decode(self, priority: Priority, step: Step) -> tuple[Token, ...]:
        """Decode a step with those of other streams; raises `Overloaded` or `Unavailable`."""
        decoded = await self._scheduler.run_together(priority, self._batches[priority], step)
        if isinstance(decoded, Exception):
            raise Unavailable(f"{self.name} failed: {' '.join(str(decoded).split())}") from decoded
        return decoded


class BatchDecoder:
    """Decodes steps of different streams; blocks. If a batch fails, so do all its streams: their states are lost."""

    def __init__(self, native: Any) -> None:
        self.native = native

    def __call__(self, steps: list[Step]) -> list[Decoded]:
        """Return the tokens of each step's segment, in order."""
        begun = [step for step in steps if step.begin()]
        try:
            native = self.native
            if native is None:
                raise RuntimeError("the recogniser is closed")
            for step in begun:
                step.segment.hear(step.samples)
            streams = [step.segment.stream for step in begun]
            while ready := [stream for stream in streams if native.is_ready(stream)]:
                native.decode_streams(ready)
            return [step.segment.tokens() if step in begun else () for step in steps]
        except Exception as error:
            return [error for _ in steps]


class SherpaStream(FedStream):
    """Recognises one utterance: its audio is decoded once, in steps of the model."""

    def __init__(self, recognizer: SherpaStreamingRecognizer, options: RecognitionOptions) -> None:
        model = recognizer.model
        known = recognizer.abilities.languages
        self._recognizer = recognizer
        self._options = options
        self._language = options.language or (next(iter(known)) if len(known) == 1 else None)
        feed = SpeechFeed(model.grid)
        self._tokens = TokenTranscripts(feed.position_ms, model.token_ms, grows=model.grows)
        self._segment = Segment(model, options, 0)
        self._segment_begin = 0
        self._left: Step | None = None  # a step that was taken and not decoded
        super().__init__(recognizer.name, feed)

    async def aclose(self) -> None:
        """Drop the stream, and its step of a batch that has not begun."""
        if self._running is not None:
            self._running.drop()
        await super().aclose()

    @property
    def _is_due(self) -> bool:
        waiting = self._feed.waiting
        return waiting >= self._recognizer.model.grid.shift or (waiting > 0 and self._feed.is_complete)

    async def _decode_all(self) -> Transcript:
        while not self._finishing or self._left is not None or self._is_due:
            await self._wake.wait()
            self._wake.clear()
            while self._left is not None or self._is_due:
                if not await self._advance():
                    break
        return self._in_language(self._tokens.final(logprobs=self._options.logprobs))

    async def _advance(self) -> bool:
        """Decode the next step; returns False if it was shed, so that it waits for the next audio."""
        step = self._left.again() if self._left is not None else self._take()
        self._left = step
        try:
            tokens = await self._decode(step)
        except Overloaded:
            if self._finishing:
                raise
            return False
        if tokens is None:
            return True
        self._left = None
        settled = step.completes and self._feed.is_complete and not self._feed.waiting
        if transcript := self._tokens.accept(tokens, at_pause=settled):
            self._transcripts.put(self._in_language(transcript))
        if settled and self._feed.fed - self._segment_begin >= MAX_SEGMENT_SAMPLES:
            self._begin_segment()
        return True

    def _take(self) -> Step:
        samples = self._feed.take(max(MAX_STEP_SAMPLES, self._recognizer.model.grid.shift))
        return Step(self._segment, samples, completes=self._feed.is_complete and not self._feed.waiting)

    async def _decode(self, step: Step) -> tuple[Token, ...] | None:
        """Return the tokens of the segment, or None if `finish` wants the step at a higher priority."""
        priority = Priority.FINAL if self._finishing else Priority.PARTIAL
        self._running = step
        try:
            return await self._wait.result_of(self._recognizer.decode(priority, step))
        finally:
            self._running = None

    def _begin_segment(self) -> None:
        self._tokens.close_segment()
        self._segment_begin = self._feed.begin_segment()
        start_ms = self._segment_begin * 1000 / SPEECH_RATE_HZ
        self._segment = Segment(self._recognizer.model, self._options, start_ms)

    def _in_language(self, transcript: Transcript) -> Transcript:
        return replace(transcript, language=self._language)
