"""A slot for transcripts between the task that makes them and the one that reads them."""

from collections.abc import AsyncIterator

from streamsrv.engines.asr.base import Transcript
from streamsrv.signals import Signal


class LatestTranscript:
    """Holds one transcript: a newer one replaces one that was not read. Iterating yields them until `end`."""

    def __init__(self) -> None:
        self._unread: Transcript | None = None
        self._error: Exception | None = None
        self._ended = False
        self._news = Signal()

    @property
    def ended(self) -> bool:
        return self._ended

    def put(self, transcript: Transcript) -> None:
        """Replace what was not read."""
        self._unread = transcript
        self._news.notify()

    def end(self, error: Exception | None = None) -> None:
        """Nothing more comes: reading stops, or raises `error`, once the last transcript was read."""
        if not self._ended:
            self._ended = True
            self._error = error
            self._news.notify()

    def drop(self) -> None:
        """End, and forget what was not read."""
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
