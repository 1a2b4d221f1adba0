"""Detects voice activity by loudness when a detector fails."""

import logging
from collections.abc import Awaitable, Callable

import numpy as np
from numpy.typing import NDArray

from streamsrv.engines.boundary import check_probability, engine_call
from streamsrv.engines.observer import IGNORED, LOUDNESS, EngineObserver, failure_reason
from streamsrv.engines.vad.base import Vad, VadStream
from streamsrv.engines.vad.energy import EnergyStream
from streamsrv.errors import EngineError, Overloaded

logger = logging.getLogger(__name__)

STAGE = "voice-activity detector"
MAX_FAILURES = 3
"""Failures in a row after which a stream no longer uses its detector."""


class FallbackVadStream:
    """One stream of `vad`. If the detector fails for some frames, their loudness decides."""

    def __init__(self, vad: Vad, observer: EngineObserver = IGNORED) -> None:
        self._name = vad.name
        self._observer = observer
        self._energy = EnergyStream()
        self._failures = 0
        self._stream: VadStream | None = None
        try:
            with engine_call(STAGE):
                self._stream = vad.open()
        except EngineError as error:
            self._observer.failed("vad", self._name, failure_reason(error))
            self._give_up()

    async def hear(self, frames: NDArray[np.int16], call: Callable[[VadStream], Awaitable[list[float]]]) -> list[float]:
        """Return the probability of speech in each row of `frames`, shape (n, 512); `call` asks the detector.

        Raises `Overloaded` if `call` does, and does not count that as a failure of the detector.
        """
        if self._stream is not None:
            try:
                with engine_call(STAGE):
                    heard = await call(self._stream)
                    if len(heard) != len(frames):
                        raise ValueError(f"{len(heard)} probabilities for {len(frames)} frames")
                    for probability in heard:
                        check_probability(probability)
            except Overloaded:
                raise
            except EngineError as error:
                self._observer.failed("vad", self._name, failure_reason(error))
                self._failures += 1
                if self._failures == MAX_FAILURES:
                    self._give_up()
            else:
                self._failures = 0
                return heard
        return self.by_loudness(frames)

    def by_loudness(self, frames: NDArray[np.int16]) -> list[float]:
        """Return 1 for each frame that is loud enough for speech, 0 for others, without the detector."""
        return self._energy.probabilities(frames)

    def _give_up(self) -> None:
        self._stream = None
        self._observer.fell_back("vad", self._name, LOUDNESS)
        logger.warning("%s does not work: loudness alone decides what is speech in this audio", self._name)
