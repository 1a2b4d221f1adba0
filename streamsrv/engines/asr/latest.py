"""Hands transcripts from the task that makes them to the one that reads them, keeping only the latest."""

from collections.abc import AsyncIterator

from streamsrv.engines.asr.base import Transcript
from streamsrv.signals import Signal


class LatestTranscript:
    """Holds the latest unread transcript. Iterating yields transcripts until `end`."""

    def __init__(self) -> None:
        self._unread: Transcript | None = None
        self._error: Exception | None = None
        self._ended = False
        self._news = Signal()

    @property
    def ended(self) -> bool:
        return self._ended

    def put(self, transcript: Transcript) -> None:
        """Replace the unread transcript."""
        self._unread = transcript
        self._news.notify()

    def end(self, error: Exception | None = None) -> None:
        """End the iteration, or raise `error` there, after the last transcript was read."""
        if not self._ended:
            self._ended = True
            self._error = error
            self._news.notify()

    def drop(self) -> None:
        """End the iteration and drop the unread transcript."""
        self._unread = None
        self.end()

    def __aiter__(self) -> AsyncIterator[Transcript]:
        return self

    async def __anext__(self) -> Transcript:
        await self._news.wait_until(lambda: self._unread is not None or self._ended)
        unread, self._unread = self._unread, None
        if unread is not None:
            return unread
        error, self._error = self._error, None
        raise error or StopAsyncIteration
