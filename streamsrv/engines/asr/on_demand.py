"""A recogniser that is loaded when somebody uses it; until then the audio waits in a bounded buffer."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import (
    Abilities,
    RecognitionOptions,
    RecognitionSession,
    RecognitionStream,
    Recognizer,
    Transcript,
)
from streamsrv.engines.asr.failover.abilities import fit, unfit
from streamsrv.errors import EngineError, Overloaded
from streamsrv.signals import Signal

MAX_WAITING_S = 60
"""Seconds of audio of one session that wait for the model at most."""
LOADING_S = 120.0
"""Seconds by which the deadlines of a model are longer while it is loaded."""


class Hold:
    """Keeps a recogniser in memory until it is released, and has it loaded if it is not there."""

    def __init__(self, recognizer: "OnDemandRecognizer") -> None:
        self.recognizer = recognizer
        self._is_released = False
        recognizer.holds += 1
        recognizer.want()

    def release(self) -> None:
        """The recogniser may leave memory; safe to call twice."""
        if not self._is_released:
            self._is_released = True
            self.recognizer.holds -= 1
            self.recognizer.released()


class OnDemandRecognizer:
    """A `Recognizer` that is not in memory before its first use, nor after others needed its place.

    `load` is called when it is wanted and not loaded, and ends with a call of `settle`. `released` is called when a
    hold ends. `stated` are the abilities that the catalogue states; those of the loaded model replace them.
    """

    def __init__(
        self,
        name: str,
        stated: Abilities,
        load: Callable[[], None],
        released: Callable[[], None],
    ) -> None:
        self.name = name
        self.model: Recognizer | None = None
        """The loaded model."""
        self.holds = 0
        """How many use it now."""
        self.news = Signal()
        """Notified when the loading ends."""
        self._stated = stated
        self._load = load
        self.released = released
        self._is_loading = False
        self._error: EngineError | None = None

    @property
    def is_loaded(self) -> bool:
        return self.model is not None

    @property
    def is_loading(self) -> bool:
        """Whether somebody wanted it and it is not loaded yet."""
        return self._is_loading

    @property
    def abilities(self) -> Abilities:
        """What it can do; while it is not loaded, with time to load it."""
        if self.model is not None:
            return self.model.abilities
        deadline_s = self._stated.final_deadline_s + LOADING_S
        return replace(self._stated, final_deadline_s=deadline_s, stall_deadline_s=None)

    def want(self) -> None:
        """Have it loaded, unless it is, or is being loaded."""
        if self.model is None and not self._is_loading:
            self._is_loading, self._error = True, None
            self._load()

    def settle(self, model: Recognizer | None, error: EngineError | None = None) -> None:
        """The loading has ended: with the model, with the reason why there is none, or given up (None)."""
        self.model, self._error, self._is_loading = model, error, False
        self.news.notify()

    def hold(self) -> Hold:
        """Keep it in memory until the hold is released."""
        return Hold(self)

    async def loaded(self) -> Recognizer:
        """Wait until it is loaded, while it is held; raises `EngineError` if it cannot be."""
        await self.news.wait_until(lambda: not self._is_loading)
        return self.loaded_now()

    def loaded_now(self) -> Recognizer:
        """Return the loaded model; raises `EngineError` if it could not be loaded."""
        if self.model is None:
            raise self._error or Overloaded(f"The speech recogniser {self.name} is not loaded.")
        return self.model

    def connect(self) -> "OnDemandSession":
        """Begin a session, and the loading."""
        return OnDemandSession(self)

    async def warm_up(self) -> None:
        """Do nothing: it is warmed up when it is loaded."""

    async def aclose(self) -> None:
        """Do nothing: whoever loads it frees it."""


class OnDemandSession:
    """A session with a recogniser that may still be loaded. It keeps the recogniser in memory."""

    def __init__(self, recognizer: OnDemandRecognizer) -> None:
        self.recognizer = recognizer
        self._hold = recognizer.hold()
        self._session: RecognitionSession | None = None
        self._waiting_samples = 0

    def open(self, options: RecognitionOptions) -> RecognitionStream:
        """Start an utterance."""
        self.recognizer.want()
        return WaitingStream(self, options) if self.recognizer.is_loading else self.open_loaded(options)

    def open_loaded(self, options: RecognitionOptions) -> RecognitionStream:
        """Start an utterance with the loaded model; raises `EngineError` if it could not be loaded."""
        model = self.recognizer.loaded_now()
        if fit(options, model.abilities) is None:
            raise unfit(model.name, options)
        self._session = self._session or model.connect()
        return self._session.open(options)

    def keep(self, samples: int) -> None:
        """Count samples that wait from now on, or (negative) no longer; raises `Overloaded` if they are too many."""
        if self._waiting_samples + samples > MAX_WAITING_S * SPEECH_RATE_HZ:
            raise Overloaded(
                f"The speech recogniser {self.recognizer.name} is not loaded yet, and no more than {MAX_WAITING_S} s "
                "of audio can wait for it."
            )
        self._waiting_samples += samples

    async def aclose(self) -> None:
        """End the session with the model, and let the model leave memory."""
        try:
            if self._session is not None:
                await self._session.aclose()
        finally:
            self._hold.release()


class WaitingStream:
    """One utterance of a recogniser that is being loaded. Its audio is kept until then, and given to it at once."""

    def __init__(self, session: OnDemandSession, options: RecognitionOptions) -> None:
        self._session = session
        self._options = options
        self._kept: list[tuple[NDArray[np.int16], bool]] = []
        self._samples = 0
        self._is_finished = self._is_closed = False
        self._stream: RecognitionStream | None = None

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None:
        """Take audio; raises `Overloaded` if too much of it waits."""
        if self._stream is not None:
            self._stream.push(pcm, speech=speech)
            return
        self._session.keep(len(pcm))
        self._samples += len(pcm)
        self._kept.append((pcm, speech))

    def finish(self) -> None:
        """End the audio."""
        self._is_finished = True
        if self._stream is not None:
            self._stream.finish()

    async def aclose(self) -> None:
        """Drop the audio, or close the stream of the model."""
        self._is_closed = True
        self._drop()
        self._session.recognizer.news.notify()
        if self._stream is not None:
            await self._stream.aclose()

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        recognizer = self._session.recognizer
        await recognizer.news.wait_until(lambda: self._is_closed or not recognizer.is_loading)
        if self._is_closed:
            return
        async for transcript in self._opened():
            yield transcript

    def _opened(self) -> RecognitionStream:
        """Return the stream of the loaded model, with the audio so far; raises `EngineError`."""
        if self._stream is None:
            try:
                stream = self._session.open_loaded(self._options)
                self._stream = stream
                for pcm, speech in _joined(self._kept):
                    stream.push(pcm, speech=speech)
                if self._is_finished:
                    stream.finish()
            finally:
                self._drop()
        return self._stream

    def _drop(self) -> None:
        self._session.keep(-self._samples)
        self._kept, self._samples = [], 0


def _joined(kept: list[tuple[NDArray[np.int16], bool]]) -> list[tuple[NDArray[np.int16], bool]]:
    """Return the audio in few pieces: one for each change between speech and silence."""
    pieces: list[tuple[list[NDArray[np.int16]], bool]] = []
    for pcm, speech in kept:
        if not pieces or pieces[-1][1] is not speech:
            pieces.append(([], speech))
        pieces[-1][0].append(pcm)
    return [(np.concatenate(frames), speech) for frames, speech in pieces]
