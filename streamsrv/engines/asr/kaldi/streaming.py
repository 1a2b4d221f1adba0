"""Streams speech through the Kaldi recognisers of one Vosk model. Utterances share them, one after the other."""

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import vosk  # type: ignore[import-not-found]  # it has no types
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import Abilities, RecognitionOptions, StatelessSession, Transcript
from streamsrv.engines.asr.fed_stream import FedStream
from streamsrv.engines.asr.kaldi.segments import Heard, Segments, read_partial, read_result
from streamsrv.engines.asr.speech_feed import SpeechFeed, StepGrid
from streamsrv.errors import EngineError, Overloaded, Unavailable
from streamsrv.inference.droppable import Droppable
from streamsrv.inference.scheduler import Priority, Scheduler

_vosk: Any = vosk
_PER_MS = SPEECH_RATE_HZ // 1000
STEP_SAMPLES = 200 * _PER_MS
"""Audio for which a worker thread is asked while somebody speaks."""
MAX_STEP_SAMPLES = 1_000 * _PER_MS
"""Most audio that a worker thread decodes at once: other work waits for it."""
LOOK_AHEAD_MS = 400
"""Silence after a word that Kaldi hears before it has written the word. Made silence would cost accuracy."""
ANY_STEP = StepGrid(first=1, shift=1)
"""Kaldi decodes whatever it gets."""
MAX_IDLE = 4
"""Recognisers that are kept for the next utterances."""


@dataclass(slots=True)
class Kaldi:
    """A `KaldiRecognizer` and the samples it took since it was made, from which it counts the times of words."""

    native: Any
    samples: int = 0
    is_dirty: bool = False
    """Whether an utterance was given up in it."""


class KaldiPool:
    """The recognisers of one model. Thread-safe.

    Making and freeing one takes tenths of a second. One that was used before is several times as fast, because it has
    built the parts of the search graph that speech visits; those take some ten MB. It keeps nothing of a speaker.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._idle: list[Kaldi] = []
        self._lock = threading.Lock()

    def take(self) -> Kaldi:
        """Return a recogniser for a new utterance. Blocks."""
        with self._lock:
            kaldi = self._idle.pop() if self._idle else None
            surplus, self._idle = self._idle[MAX_IDLE:], self._idle[:MAX_IDLE]
        del surplus  # frees them on this thread
        if kaldi is None:
            kaldi = Kaldi(_vosk.KaldiRecognizer(self._model, SPEECH_RATE_HZ))
            kaldi.native.SetWords(True)
        if kaldi.is_dirty:
            kaldi.native.FinalResult()
            kaldi.is_dirty = False
        return kaldi

    @property
    def idle(self) -> int:
        """Recognisers that wait for an utterance."""
        with self._lock:
            return len(self._idle)

    def give_back(self, kaldi: Kaldi) -> None:
        """Keep a recogniser for another utterance. Does not block."""
        with self._lock:
            self._idle.append(kaldi)


class KaldiUtterance:
    """One utterance in a recogniser of the pool. `hear` runs on one worker thread at a time, in order."""

    def __init__(self, pool: KaldiPool) -> None:
        self._pool = pool
        self._kaldi: Kaldi | None = None
        self._begin = 0  # the recogniser's samples before this utterance
        self._lock = threading.Lock()
        self._is_busy = self._is_closed = False

    @property
    def is_open(self) -> bool:
        """Whether it has heard something and still awaits its last audio."""
        return self._kaldi is not None

    def hear(self, samples: NDArray[np.int16], *, is_last: bool) -> Heard | None:
        """Decode audio; return what was heard so far, or None if the utterance was given up. Blocks."""
        with self._lock:
            if self._is_closed:
                return None
            self._is_busy = True
        try:
            return self._decode(samples, is_last=is_last)
        except Exception:
            self._kaldi = None
            raise
        finally:
            with self._lock:
                self._is_busy = False
                gives_back = is_last or self._is_closed
            if gives_back:
                self._give_back(is_dirty=not is_last)

    def close(self) -> None:
        """Give the utterance up. Does not block: a `hear` that runs gives the recogniser back when it ends."""
        with self._lock:
            self._is_closed = True
            is_busy = self._is_busy
        if not is_busy:
            self._give_back(is_dirty=True)

    def _decode(self, samples: NDArray[np.int16], *, is_last: bool) -> Heard:
        kaldi = self._kaldi
        if kaldi is None:
            kaldi = self._kaldi = self._pool.take()
            self._begin = kaldi.samples
        ended = len(samples) > 0 and kaldi.native.AcceptWaveform(samples.tobytes())
        kaldi.samples += len(samples)
        fed_ms = (kaldi.samples - self._begin) / _PER_MS
        if is_last or ended:
            answer = kaldi.native.FinalResult() if is_last else kaldi.native.Result()
            return read_result(answer, fed_ms, self._begin / SPEECH_RATE_HZ)
        return read_partial(kaldi.native.PartialResult(), fed_ms)

    def _give_back(self, *, is_dirty: bool) -> None:
        kaldi, self._kaldi = self._kaldi, None
        if kaldi is not None:
            kaldi.is_dirty = is_dirty
            self._pool.give_back(kaldi)


class _Step(Droppable):
    """Audio that an utterance is to hear next."""

    def __init__(self, utterance: KaldiUtterance, samples: NDArray[np.int16], *, is_last: bool) -> None:
        super().__init__()
        self.samples = samples
        self.is_last = is_last
        self._utterance = utterance

    def __call__(self) -> Heard | None:
        return self._utterance.hear(self.samples, is_last=self.is_last) if self.begin() else None

    def again(self) -> "_Step":
        """Return the same step, to be asked for anew after it was dropped or shed."""
        return _Step(self._utterance, self.samples, is_last=self.is_last)


class VoskRecognizer:
    """A `Recognizer` over a Vosk model. It knows one language and takes no prompt.

    A Vosk grammar would restrict the model to some phrases, which is more than keywords ask for.
    """

    def __init__(self, model: Any, abilities: Abilities, scheduler: Scheduler, name: str) -> None:
        self.name = name
        self.abilities = abilities
        self.pool = KaldiPool(model)
        self._scheduler = scheduler

    def connect(self) -> StatelessSession:
        """Begin a session, which holds nothing."""
        return StatelessSession(self.open)

    def open(self, options: RecognitionOptions) -> "VoskStream":
        """Start an utterance. Needs a running event loop. The model has no use for options."""
        del options
        [language] = self.abilities.languages
        return VoskStream(self, KaldiUtterance(self.pool), language)

    async def warm_up(self) -> None:
        """Make a recogniser, and decode a second of silence."""
        silence = np.zeros(SPEECH_RATE_HZ, np.int16)
        await self.hear(Priority.FINAL, _Step(KaldiUtterance(self.pool), silence, is_last=True))

    async def aclose(self) -> None:
        """Do nothing: there is only memory to free."""

    async def hear(self, priority: Priority, step: _Step) -> Heard | None:
        """Run a step on a worker thread; raises `EngineError`."""
        try:
            return await self._scheduler.run(priority, step)
        except EngineError:
            raise
        except Exception as error:
            raise Unavailable(f"{self.name} failed: {error}") from error


class VoskStream(FedStream):
    """Recognises one utterance: its audio is decoded once, in order."""

    def __init__(self, recognizer: VoskRecognizer, utterance: KaldiUtterance, language: str) -> None:
        self._recognizer = recognizer
        self._utterance = utterance
        feed = SpeechFeed(ANY_STEP, pause_ms=LOOK_AHEAD_MS, emission_ms=0)
        self._segments = Segments(language, feed.position_ms)
        super().__init__(recognizer.name, feed)

    @property
    def _is_due(self) -> bool:
        waiting = self._feed.waiting
        return waiting >= STEP_SAMPLES or (waiting > 0 and self._feed.is_complete)

    async def _decode_all(self) -> Transcript:
        step: _Step | None = None
        try:
            while True:
                step = step or self._next_step()
                if step is not None:
                    step = await self._advance(step)
                elif self._finishing:
                    return self._segments.final()
                else:
                    await self._next_audio()
        finally:
            self._utterance.close()

    async def _next_audio(self) -> None:
        await self._wake.wait()
        self._wake.clear()

    def _next_step(self) -> _Step | None:
        if not (self._is_due or (self._finishing and self._utterance.is_open)):
            return None
        samples = self._feed.take(MAX_STEP_SAMPLES)
        return _Step(self._utterance, samples, is_last=self._finishing and not self._feed.waiting)

    async def _advance(self, step: _Step) -> _Step | None:
        """Decode a step; return it anew if it was shed, or if `finish` wants it at a higher priority."""
        try:
            heard = await self._hear(step)
        except Overloaded:
            if self._finishing:
                raise
            await self._next_audio()
            return step.again()
        if heard is None:
            return step.again()
        settled = self._feed.is_complete and not self._feed.waiting
        if transcript := self._segments.accept(heard, at_pause=settled):
            self._transcripts.put(transcript)
        return None

    async def _hear(self, step: _Step) -> Heard | None:
        priority = Priority.FINAL if self._finishing else Priority.PARTIAL
        self._running = step
        try:
            return await self._wait.result_of(self._recognizer.hear(priority, step))
        finally:
            self._running = None
