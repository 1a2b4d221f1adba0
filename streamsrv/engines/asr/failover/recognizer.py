"""Combines recognisers into one: if one fails in the middle of an utterance, the next one gets it from the start."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamsrv.engines.asr.base import (
    RecognitionOptions,
    RecognitionSession,
    RecognitionStream,
    Recognizer,
    ReplacedRecognizer,
    Transcript,
)
from streamsrv.engines.asr.failover.abilities import abilities_of_any, fit, unfit
from streamsrv.engines.asr.failover.attempt import CLOSE_S, Attempt, NotKept, Stalled
from streamsrv.engines.asr.failover.kept_audio import MAX_KEPT_S, KeptAudio, KeptFrame
from streamsrv.engines.asr.failover.merging import Seam
from streamsrv.engines.asr.latest import LatestTranscript
from streamsrv.engines.boundary import engine_call
from streamsrv.engines.breaker import Breakers, CircuitBreaker, Trial
from streamsrv.engines.metering.base import Consumption
from streamsrv.engines.observer import IGNORED, EngineObserver, Observable, failure_reason
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable

logger = logging.getLogger(__name__)

STAGE = "recognizer"


class FallbackRecognizer:
    """A `Recognizer` over `recognizers`, in order of preference; each has deadlines (`Abilities`), also a single one.

    An utterance goes to the first one that can do what its options require and whose breaker admits it. If that fails,
    is overloaded, stalls or is late, the next one gets all audio of the utterance from the start. Stable text that was
    shown stays. `Rejected` by the first one is the caller's error. A recogniser whose breaker is open is tried last.
    `Transcript.model` names the recogniser that gave the final transcript, and `instead_of` the one it replaced.
    """

    def __init__(
        self,
        recognizers: Sequence[Recognizer],
        breakers: Breakers | None = None,
        name: str = "",
        observer: EngineObserver = IGNORED,
    ) -> None:
        self.name = name or recognizers[0].name
        self.recognizers: tuple[Recognizer, ...] = tuple(recognizers)
        self.abilities = abilities_of_any([recognizer.abilities for recognizer in recognizers])
        self.breakers = breakers or Breakers(time.monotonic)
        self.observer = observer

    @property
    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """The names of all recognisers, with those of their stand-ins."""
        names = [recognizer.name for recognizer in self.recognizers]
        parts = {name: tuple(names[position + 1 :]) for position, name in enumerate(names)}
        for recognizer in self.recognizers:
            if isinstance(recognizer, Observable):
                parts = {**recognizer.parts, **parts}
        return parts

    def observe(self, observer: EngineObserver) -> None:
        """Report requests, failures, fallbacks and seconds of audio to `observer` from now on."""
        self.observer = observer
        for recognizer in self.recognizers:
            if isinstance(recognizer, Observable):
                recognizer.observe(observer)

    def connect(self) -> "FallbackSession":
        """Begin a session; one with a recogniser begins with the first utterance that is given to it."""
        return FallbackSession(self)

    async def warm_up(self) -> None:
        """Warm up all recognisers at the same time; raises only if all of them fail."""
        results = await asyncio.gather(*(each.warm_up() for each in self.recognizers), return_exceptions=True)
        errors = [error for error in results if isinstance(error, BaseException)]
        for error in errors:
            if not isinstance(error, EngineError) or len(errors) == len(results):
                raise error
            logger.warning("a speech recogniser could not be warmed up: %s", error)

    async def aclose(self) -> None:
        """Close all recognisers."""
        for recognizer in self.recognizers:
            await recognizer.aclose()

    def breaker(self, recognizer: Recognizer) -> CircuitBreaker:
        """Return the breaker of one of the recognisers."""
        return self.breakers.of(STAGE, recognizer.name)


@dataclass(slots=True, eq=False)
class _Connection:
    """A session with one recogniser."""

    session: RecognitionSession
    streams: int = 0
    """How many of its streams are not closed."""
    is_retired: bool = False
    """Whether it closes after its last stream, because one has failed: the next utterance gets a new one."""


@dataclass(slots=True, eq=False)
class _Opened:
    """An attempt of a recogniser at an utterance, with what it holds."""

    recognizer: Recognizer
    connection: _Connection
    trial: Trial
    attempt: Attempt
    is_counted: bool = False
    """Whether the audio that it was given is reported."""


class FallbackSession:
    """One client session: its sessions with recognisers."""

    def __init__(self, recognizer: FallbackRecognizer) -> None:
        self.recognizer = recognizer
        self._connections: dict[Recognizer, _Connection] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def open(self, options: RecognitionOptions) -> "FallbackStream":
        """Start an utterance; raises `EngineError` if no recogniser takes it."""
        return FallbackStream(self, options)

    async def aclose(self) -> None:
        """Close the sessions with all recognisers."""
        for connection in self._connections.values():
            self._close(connection)
        self._connections.clear()
        if self._closing:
            _, stuck = await asyncio.wait(self._closing, timeout=CLOSE_S)
            for closing in stuck:
                logger.error("%s did not close its session within %g s", self.recognizer.name, CLOSE_S)
                closing.cancel()

    def connection(self, recognizer: Recognizer) -> _Connection:
        """Return the session with a recogniser; begins one if there is none."""
        if recognizer not in self._connections:
            self._connections[recognizer] = _Connection(recognizer.connect())
        return self._connections[recognizer]

    def retire(self, recognizer: Recognizer, connection: _Connection) -> None:
        """Let the next utterance begin a new session with the recogniser, because one has failed."""
        if self._connections.get(recognizer) is connection:
            del self._connections[recognizer]
        connection.is_retired = True
        if not connection.streams:
            self._close(connection)

    def release(self, connection: _Connection) -> None:
        """A stream of this session is closed."""
        connection.streams -= 1
        if connection.is_retired and not connection.streams:
            self._close(connection)

    def _close(self, connection: _Connection) -> None:
        task = asyncio.create_task(_close_session(connection.session), name="closing-recognition-session")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _close_session(session: RecognitionSession) -> None:
    try:
        with engine_call("speech recogniser"):
            await session.aclose()
    except EngineError as error:
        logger.warning("a session with a speech recogniser could not be closed: %s", error)


class FallbackStream:
    """Recognises one utterance. Its audio is kept until the final transcript exists."""

    def __init__(self, session: FallbackSession, options: RecognitionOptions) -> None:
        self._session = session
        self._recognizer = session.recognizer
        self._options = {
            recognizer: fitted
            for recognizer in self._recognizer.recognizers
            if (fitted := fit(options, recognizer.abilities)) is not None
        }
        if not self._options:
            raise unfit(self._recognizer.name, options)
        self._untried = list(self._options)
        self._errors: dict[Recognizer, EngineError] = {}
        self._audio = KeptAudio()
        self._shown = ""  # the stable text so far
        self._seam = Seam("")
        self._is_finishing = self._is_closed = False
        self._newest = LatestTranscript()
        self._stalled: list[tuple[Trial, Stalled, str]] = []  # with the stable text at that time
        self._closing: set[asyncio.Task[None]] = set()
        self._current = self._open_next()
        self._working = asyncio.create_task(self._work(), name=f"recognition-{self._recognizer.name}")

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None:
        """Take mono PCM at 16 kHz, which must not change afterwards."""
        if self._is_finishing or self._newest.ended:
            return
        frame = KeptFrame(pcm, speech)
        self._audio.add(frame)
        self._current.attempt.push(frame)

    def finish(self) -> None:
        """End the audio."""
        if not self._is_finishing:
            self._is_finishing = True
            self._current.attempt.finish()

    async def aclose(self) -> None:
        """Drop the utterance, and wait until all its streams are closed."""
        self._newest.drop()
        self._working.cancel()
        await asyncio.gather(self._working, return_exceptions=True)
        if not self._is_closed:
            self._is_closed = True
            self._current.trial.end()
            self._close(self._current)
        if self._closing:
            await asyncio.wait(self._closing)

    def __aiter__(self) -> AsyncIterator[Transcript]:
        return self._newest

    async def _work(self) -> None:
        try:
            final = await self._final()
        except Exception as error:
            self._newest.end(error)
        else:
            self._newest.put(final)
            self._newest.end()
        finally:
            for trial, _, _ in self._stalled:
                trial.end()
            self._audio.drop()

    async def _final(self) -> Transcript:
        while True:
            opened = self._current
            try:
                heard = await opened.attempt.run()
            except EngineError as error:
                self._give_up(opened, error)
                self._current = self._open_next()
                continue
            self._count(opened)  # before the answer, whose end tells what the turn has cost
            opened.trial.succeeded()
            opened.trial.end()
            final = self._seam.final(heard)
            self._judge_stalls(final.text)
            instead_of = self._instead_of(opened.recognizer) or heard.instead_of
            return replace(final, model=heard.model or opened.recognizer.name, instead_of=instead_of)

    def _open_next(self) -> _Opened:
        """Begin the attempt of the next recogniser that takes the utterance; raises the errors of all if none does."""
        now_s, observer = self._recognizer.breakers.clock, self._recognizer.observer
        while self._untried and (self._audio.is_whole or not self._errors):
            recognizer = self._take_untried()
            observer.called(STAGE, recognizer.name)
            trial = self._recognizer.breaker(recognizer).begin(now_s())
            try:
                opened = self._open(recognizer, trial)
            except EngineError as error:
                trial.failed(error, now_s())
                trial.end()
                self._note(recognizer, error)
                continue
            replaced = next(reversed(self._errors), next(iter(self._options)))
            if replaced is not recognizer:
                observer.fell_back(STAGE, replaced.name, recognizer.name)
            return opened
        raise self._summary()

    def _take_untried(self) -> Recognizer:
        """Return the most preferred recogniser that its breaker admits, else the most preferred."""
        now_s = self._recognizer.breakers.clock()
        admitted = (each for each in self._untried if self._recognizer.breaker(each).admits(now_s))
        recognizer = next(admitted, self._untried[0])
        self._untried.remove(recognizer)
        return recognizer

    def _open(self, recognizer: Recognizer, trial: Trial) -> _Opened:
        connection: _Connection | None = None
        try:
            with engine_call(f"speech recogniser {recognizer.name}"):
                connection = self._session.connection(recognizer)
                stream: RecognitionStream = connection.session.open(self._options[recognizer])
        except EngineError as error:
            if connection is not None and not isinstance(error, Overloaded | Rejected):
                self._session.retire(recognizer, connection)
            raise
        connection.streams += 1
        self._seam = Seam(self._shown)
        attempt = Attempt(recognizer, stream, self._audio, self._show, may_stall=not self._untried)
        if self._is_finishing:
            attempt.finish()
        return _Opened(recognizer, connection, trial, attempt)

    def _give_up(self, opened: _Opened, error: EngineError) -> None:
        """An attempt has failed: drop it. Raises what the caller has to mend."""
        if isinstance(error, Stalled):
            self._stalled.append((opened.trial, error, self._shown))
        elif isinstance(error, NotKept):
            opened.trial.end()
        else:
            opened.trial.failed(error, self._recognizer.breakers.clock())
            opened.trial.end()
        if not isinstance(error, Overloaded | Rejected):
            self._session.retire(opened.recognizer, opened.connection)
        self._close(opened)
        self._note(opened.recognizer, error)

    def _note(self, recognizer: Recognizer, error: EngineError) -> None:
        """Log and report a failure; raises it if the caller has to mend the request."""
        self._recognizer.observer.failed(STAGE, recognizer.name, failure_reason(error))
        logger.warning("%s failed (%s): %s", recognizer.name, type(error).__name__, error)
        is_first = not self._errors
        self._errors[recognizer] = error
        if is_first and isinstance(error, Rejected):
            raise error

    def _show(self, attempt: Attempt, transcript: Transcript) -> None:
        if self._current.attempt is not attempt:
            return
        shown = self._seam.interim(transcript)
        if attempt.is_behind:
            shown = replace(shown, at_pause=False, end_of_turn=None)
        self._shown = shown.stable
        self._newest.put(shown)

    def _judge_stalls(self, text: str) -> None:
        """A recogniser that gave nothing for a while has failed if there was something to recognise after all."""
        for trial, error, shown in self._stalled:
            if len(text.split()) > len(shown.split()):
                trial.failed(error, self._recognizer.breakers.clock())

    def _instead_of(self, recognizer: Recognizer) -> ReplacedRecognizer | None:
        """Return the recogniser that `recognizer` replaces; None: there is none."""
        preferred = next(iter(self._options))
        if preferred is recognizer:
            return None
        error = self._errors.get(preferred) or self._recognizer.breaker(preferred).error
        return ReplacedRecognizer(preferred.name, str(error))

    def _close(self, opened: _Opened) -> None:
        closing = asyncio.create_task(self._close_attempt(opened), name=f"closing-{opened.recognizer.name}")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._count(opened)

    def _count(self, opened: _Opened) -> None:
        """Report the audio that a recogniser was given, once it gets no more."""
        if opened.is_counted:
            return
        opened.is_counted = True
        name, heard_s = opened.recognizer.name, opened.attempt.heard_s
        self._recognizer.observer.recognized(name, heard_s)
        if (account := self._options[opened.recognizer].account) is not None:
            account.charge(Consumption("recognizer", name, (("seconds", round(heard_s, 3)),)))

    async def _close_attempt(self, opened: _Opened) -> None:
        await opened.attempt.aclose()
        self._session.release(opened.connection)

    def _summary(self) -> EngineError:
        errors = list(self._errors.values())
        if self._untried:
            reasons = " ".join(map(str, errors))
            return Unavailable(f"{reasons} No other recogniser takes over an utterance of more than {MAX_KEPT_S} s.")
        if len(errors) == 1:
            return errors[0]
        kind = Overloaded if isinstance(errors[0], Overloaded) else Unavailable
        return kind(f"No speech recogniser can transcribe this. {' '.join(map(str, errors))}")
