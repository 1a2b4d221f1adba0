"""Lets a streaming end-of-turn model hear the turns of one session, and reports its scores to the core."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.core.inputs import Input, TurnScored
from streamsrv.engines.boundary import check_probability, engine_call
from streamsrv.engines.observer import WORDS, EngineObserver, failure_reason
from streamsrv.engines.turn.base import StreamingTurnModel, TurnScore, TurnStream
from streamsrv.errors import EngineError, Overloaded
from streamsrv.inference.scheduler import Priority, Scheduler
from streamsrv.runtime.tasks import Spawn

logger = logging.getLogger(__name__)

STAGE = "end-of-turn model"
MAX_BEHIND_MS = 1000
"""Audio that may wait for the model. If it is later than that, it skips what waits and begins anew."""

Frame = tuple[int, NDArray[np.int16]]
"""Where a frame ends in the session's audio (ms), and its samples."""


class TurnScores:
    """The stream of one session.

    The model hears a turn from a little before its first word, beginning anew with each, and nothing between turns.
    Each call gets all frames that came during the call before, when they make a step of the model. A stream that fails
    is not used again in this session.
    """

    def __init__(
        self,
        model: StreamingTurnModel,
        scheduler: Scheduler,
        spawn: Spawn,
        report: Callable[[Input], None],
        observer: EngineObserver,
    ) -> None:
        self._model = model
        self._scheduler = scheduler
        self._spawn = spawn
        self._report = report
        self._observer = observer
        self._turn = 0  # counts what the stream begins with, so that scores of something earlier are dropped
        self._follows = self._failed = self._running = False
        self._has_skipped = False  # in this turn
        self._agent: str | None = None  # what the stream is told before it hears more; None: it has been reset and told
        self._waiting: list[NDArray[np.int16]] = []
        self._waiting_samples = 0
        self._fed_samples = 0
        self._began_ms = 0
        self._stream: TurnStream | None = None
        try:
            with engine_call(STAGE):
                self._stream = model.open()
        except EngineError as error:
            self._fail(error)

    def begin(self, recent: Sequence[Frame], from_ms: int, agent: str) -> None:
        """A turn began at `from_ms`; `recent` are the frames before the one that is being heard."""
        if self._failed:
            return
        self._follows, self._has_skipped = True, False
        self._begin_anew(agent)
        self._observer.called("turn", self._model.name)
        for until_ms, samples in recent:
            if until_ms > from_ms - self._model.context_ms:
                self._take(until_ms, samples)

    def hear(self, until_ms: int, samples: NDArray[np.int16]) -> None:
        """Take the next frame of the session's audio."""
        if self._follows:
            self._take(until_ms, samples)
            self._run_if_due()

    def end(self) -> None:
        """The turn is over."""
        self._follows = False
        self._begin_anew("")

    def _begin_anew(self, agent: str) -> None:
        self._turn += 1
        self._agent = agent
        self._waiting.clear()
        self._waiting_samples = self._fed_samples = 0

    def _take(self, until_ms: int, samples: NDArray[np.int16]) -> None:
        if self._waiting_samples > MAX_BEHIND_MS * SPEECH_RATE_HZ // 1000 and self._running:
            self._skip()
        if not self._waiting and not self._fed_samples:
            self._began_ms = until_ms - len(samples) * 1000 // SPEECH_RATE_HZ
        self._waiting.append(samples)
        self._waiting_samples += len(samples)

    def _skip(self) -> None:
        if not self._has_skipped:
            self._observer.failed("turn", self._model.name, "overloaded")
            self._observer.fell_back("turn", self._model.name, WORDS)
        self._has_skipped = True
        self._begin_anew("")

    def _run_if_due(self) -> None:
        step = self._model.step_ms * SPEECH_RATE_HZ / 1000
        is_due = (self._fed_samples + self._waiting_samples) // step > self._fed_samples // step
        if is_due and not self._running:
            self._running = True
            self._spawn(self._run())

    async def _run(self) -> None:
        turn, agent, samples = self._turn, self._agent, np.concatenate(self._waiting)
        self._agent = None
        self._fed_samples += len(samples)
        self._waiting.clear()
        self._waiting_samples = 0
        try:
            with engine_call(STAGE):
                score = await self._scheduler.run(Priority.FINAL, lambda: self._feed(agent, samples))
                voice = 0.0 if score is None else self._model.evidence(score.end)
        except Overloaded:
            self._skip()
        except EngineError as error:
            self._fail(error)
        else:
            if score is not None and turn == self._turn:
                self._report(TurnScored(self._began_ms + score.until_ms, voice, score.backchannel))
        finally:
            self._running = False
        if self._follows:
            self._run_if_due()

    def _feed(self, agent: str | None, samples: NDArray[np.int16]) -> TurnScore | None:
        """Give the stream audio, and return the newest score, if there is one."""
        assert self._stream is not None  # nothing is fed to a stream that could not be opened
        if agent is not None:
            self._stream.reset()
            if agent:
                self._stream.told(agent)
        scores = self._stream.feed(samples)
        if not scores:
            return None
        for probability in (scores[-1].end, scores[-1].backchannel):
            if probability is not None:
                check_probability(probability)
        return scores[-1]

    def _fail(self, error: EngineError) -> None:
        self._failed, self._follows = True, False
        self._begin_anew("")
        self._observer.failed("turn", self._model.name, failure_reason(error))
        self._observer.fell_back("turn", self._model.name, WORDS)
        logger.warning("%s failed; the words alone decide from now on when turns end: %s", self._model.name, error)
