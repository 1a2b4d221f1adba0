"""Decodes the windows of all sessions in one call, which is what a GPU is good at."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Protocol

from streamsrv.engines.asr.base import Abilities
from streamsrv.engines.asr.windows.incremental import Decode, Hypothesis
from streamsrv.inference.batching import BatchLimits
from streamsrv.inference.scheduler import Priority, Scheduler


class BatchModel(Protocol):
    """A model that recognises several short recordings in one call, and blocks meanwhile."""

    max_window_ms: int
    abilities: Abilities
    max_batch: int
    """Most windows in one call."""

    def decode(self, windows: Sequence[Decode]) -> list[Hypothesis]:
        """Recognise windows, whose options may differ. Called on several worker threads at once."""
        ...


class BatchedDecoder:
    """An `AsyncWindowDecoder` that gathers the windows of all streams for a `BatchModel`.

    One call runs at a time, and takes up to `max_batch` of the windows that have come since the one before, final ones
    first. At least `gather_ms` lie between the starts of two calls; a window that comes when nothing runs goes at once.
    A window that cannot be decoded fails alone. With a `max_batch` of 1, windows are decoded side by side instead.
    """

    stops = False

    def __init__(self, model: BatchModel, scheduler: Scheduler, gather_ms: int = 15) -> None:
        self.max_window_ms = model.max_window_ms
        self.abilities = model.abilities
        self._model = model
        self._scheduler = scheduler
        self._limits = BatchLimits(gather_ms / 1000, model.max_batch, is_serial=True)

    async def decode(self, window: Decode) -> Hypothesis:
        """Recognise a window on a worker thread."""
        if self._model.max_batch == 1:
            return await self._scheduler.run(window.priority, lambda: self._decode([window])[0])
        together = self._scheduler.run_together
        return await together(Priority.FINAL, self._decode, window, self._limits, attrgetter("priority"))

    def _decode(self, windows: list[Decode]) -> list[Hypothesis]:
        for window in windows:
            window.started = True
        return self._model.decode(windows)
