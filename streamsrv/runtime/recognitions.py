"""Runs a session's recognition streams, one for each item."""

import asyncio
import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamsrv.core.inputs import Failure, Input, RecognitionFailed, TranscriptReceived
from streamsrv.engines.asr.base import RecognitionOptions, RecognitionSession, RecognitionStream, Recognizer
from streamsrv.engines.boundary import engine_call
from streamsrv.engines.observer import IGNORED, EngineObserver, failure_reason
from streamsrv.errors import EngineError, Unavailable
from streamsrv.runtime.tasks import Spawn

logger = logging.getLogger(__name__)

STAGE = "speech recogniser"
CLOSE_S = 5.0
"""How many seconds a stream may take to close at the end of a session."""


class Recognitions:
    """Follows each stream in a task (`spawn`), reports its transcripts or its failure, and closes it.

    A stream is closed exactly once: after its final transcript, after a failure, when it is dropped (even before its
    task has started), or at the end of the session.
    """

    def __init__(
        self, recognizer: Recognizer, spawn: Spawn, report: Callable[[Input], None], observer: EngineObserver = IGNORED
    ) -> None:
        self._observer = observer
        self._recognizer = recognizer
        self._spawn = spawn
        self._report = report
        self._session: RecognitionSession | None = None  # begun with the first stream
        self._streams: dict[str, RecognitionStream] = {}
        self._following: dict[str, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def open(self, item_id: str, options: RecognitionOptions) -> None:
        """Open a stream for an item."""
        self._observer.called("recognizer", self._recognizer.name)
        try:
            with engine_call(STAGE):
                self._session = self._session or self._recognizer.connect()
                stream = self._session.open(options)
        except EngineError as error:
            self._fail(item_id, error)
            return
        self._streams[item_id] = stream
        following = self._spawn(self._follow(item_id, stream))
        self._following[item_id] = following
        following.add_done_callback(lambda _: self._ended(item_id, stream))

    def __contains__(self, item_id: str) -> bool:
        """Whether the item is being recognised."""
        return item_id in self._streams

    def push(self, item_id: str, pcm: NDArray[np.int16], *, speech: bool) -> None:
        """Give audio to the item's stream, if there is one."""
        self._call(item_id, lambda stream: stream.push(pcm, speech=speech))

    def finish(self, item_id: str) -> None:
        """End the audio of the item's stream."""
        self._call(item_id, lambda stream: stream.finish())

    def drop(self, item_id: str) -> None:
        """Stop recognising the item and report nothing more about it."""
        self._streams.pop(item_id, None)
        if (following := self._following.pop(item_id, None)) is not None:
            following.cancel()

    async def aclose(self) -> None:
        """Wait until all streams and the recogniser's session are closed. Call it after their tasks have ended."""
        await self._wait()
        if self._session is not None:
            self._closing.add(asyncio.get_running_loop().create_task(_close(self._session)))
            await self._wait()

    async def _wait(self) -> None:
        if not self._closing:
            return
        _, stuck = await asyncio.wait(self._closing, timeout=CLOSE_S)
        for closing in stuck:
            logger.error("%s did not close its stream within %g s", self._recognizer.name, CLOSE_S)
            closing.cancel()

    def _call(self, item_id: str, call: Callable[[RecognitionStream], None]) -> None:
        if (stream := self._streams.get(item_id)) is None:
            return
        try:
            with engine_call(STAGE):
                call(stream)
        except EngineError as error:
            self.drop(item_id)
            self._fail(item_id, error)

    async def _follow(self, item_id: str, stream: RecognitionStream) -> None:
        is_final = False
        try:
            with engine_call(STAGE):
                async for transcript in stream:
                    is_final = is_final or transcript.is_final
                    self._report(TranscriptReceived(item_id, transcript))
            if not is_final:
                raise Unavailable("The speech recogniser ended its stream without a final transcript.")
        except EngineError as error:
            self._fail(item_id, error)

    def _fail(self, item_id: str, error: EngineError) -> None:
        self._observer.failed("recognizer", self._recognizer.name, failure_reason(error))
        self._report(RecognitionFailed(item_id, Failure.of(error)))

    def _ended(self, item_id: str, stream: RecognitionStream) -> None:
        if self._streams.get(item_id) is stream:
            del self._streams[item_id]
            del self._following[item_id]
        closing = asyncio.get_running_loop().create_task(_close(stream))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


async def _close(closed: RecognitionStream | RecognitionSession) -> None:
    try:
        with engine_call(STAGE):
            await closed.aclose()
    except EngineError as error:
        logger.warning("a speech recogniser could not be closed: %s", error)
