"""Runs a session's recognition streams, one for each item."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamsrv.core.inputs import Failure, Input, RecognitionFailed, TranscriptReceived
from streamsrv.engines.asr.base import RecognitionOptions, RecognitionSession, RecognitionStream, Recognizer
from streamsrv.engines.boundary import engine_call
from streamsrv.errors import EngineError, Unavailable
from streamsrv.runtime.tasks import Spawn

logger = logging.getLogger(__name__)

STAGE = "speech recogniser"
CLOSE_S = 5.0
"""How many seconds a stream may take to close at the end of a session."""


@dataclass(slots=True)
class _Connected:
    """A recogniser, and the session with it."""

    recognizer: Recognizer
    session: RecognitionSession
    streams: int = 0
    """How many of its streams are not closed yet."""


@dataclass(slots=True)
class _Opened:
    """A stream, and the task that follows it."""

    connected: _Connected
    stream: RecognitionStream
    following: asyncio.Task[None]


class Recognitions:
    """Follows each stream in a task (`spawn`), reports its transcripts or its failure, and closes it.

    A stream is closed exactly once: after its final transcript, after a failure, when it is dropped (even before its
    task has started), or at the end of the session. The streams of one recogniser share a session with it, which begins
    with the first of them and ends after the last one once another recogniser has taken its place.
    """

    def __init__(self, spawn: Spawn, report: Callable[[Input], None]) -> None:
        self._spawn = spawn
        self._report = report
        self._connected: list[_Connected] = []  # the newest one last
        self._opened: dict[str, _Opened] = {}
        self._closing: dict[asyncio.Task[None], str] = {}  # with the names of the recognisers

    def open(self, item_id: str, recognizer: Recognizer, options: RecognitionOptions) -> None:
        """Open a stream for an item."""
        try:
            with engine_call(STAGE):
                connected = self._connect(recognizer)
                stream = connected.session.open(options)
        except EngineError as error:
            self._fail(item_id, error)
            return
        connected.streams += 1
        following = self._spawn(self._follow(item_id, stream, _only_language(recognizer)))
        opened = self._opened[item_id] = _Opened(connected, stream, following)
        following.add_done_callback(lambda _: self._ended(item_id, opened))
        self._leave_replaced()

    def refuse(self, item_id: str, error: EngineError) -> None:
        """Report that an item is not recognised, because of this error."""
        self._fail(item_id, error)

    def __contains__(self, item_id: str) -> bool:
        """Whether the item is being recognised."""
        return item_id in self._opened

    def push(self, item_id: str, pcm: NDArray[np.int16], *, speech: bool) -> None:
        """Give audio to the item's stream, if there is one."""
        self._call(item_id, lambda stream: stream.push(pcm, speech=speech))

    def finish(self, item_id: str) -> None:
        """End the audio of the item's stream."""
        self._call(item_id, lambda stream: stream.finish())

    async def ended(self, item_id: str) -> None:
        """Wait until the recognition of the item has ended, if there is one."""
        if (opened := self._opened.get(item_id)) is not None:
            await asyncio.wait({opened.following})

    def drop(self, item_id: str) -> None:
        """Stop recognising the item and report nothing more about it."""
        if (opened := self._opened.pop(item_id, None)) is not None:
            opened.following.cancel()

    async def aclose(self) -> None:
        """Wait until all streams and the sessions with recognisers are closed, after the streams' tasks have ended."""
        await self._wait()
        for connected in self._connected:
            self._close(connected.session, connected.recognizer)
        self._connected.clear()
        await self._wait()

    def _connect(self, recognizer: Recognizer) -> _Connected:
        """Return the session with the recogniser, as the newest one; begin it if there is none."""
        known = [connected for connected in self._connected if connected.recognizer is recognizer]
        connected = known[0] if known else _Connected(recognizer, recognizer.connect())
        self._connected = [other for other in self._connected if other is not connected] + [connected]
        return connected

    def _leave_replaced(self) -> None:
        """End the sessions with recognisers that another one has replaced and that have no streams left."""
        for connected in self._connected[:-1]:
            if not connected.streams:
                self._connected.remove(connected)
                self._close(connected.session, connected.recognizer)

    async def _wait(self) -> None:
        if not self._closing:
            return
        _, stuck = await asyncio.wait(self._closing, timeout=CLOSE_S)
        for closing in stuck:
            logger.error("%s did not close its stream within %g s", self._closing[closing], CLOSE_S)
            closing.cancel()

    def _call(self, item_id: str, call: Callable[[RecognitionStream], None]) -> None:
        if (opened := self._opened.get(item_id)) is None:
            return
        try:
            with engine_call(STAGE):
                call(opened.stream)
        except EngineError as error:
            self.drop(item_id)
            self._fail(item_id, error)

    async def _follow(self, item_id: str, stream: RecognitionStream, only_language: str | None) -> None:
        is_final = False
        try:
            with engine_call(STAGE):
                async for transcript in stream:
                    is_final = is_final or transcript.is_final
                    if transcript.language is None and only_language is not None:
                        transcript = replace(transcript, language=only_language)
                    self._report(TranscriptReceived(item_id, transcript))
            if not is_final:
                raise Unavailable("The speech recogniser ended its stream without a final transcript.")
        except EngineError as error:
            self._fail(item_id, error)

    def _fail(self, item_id: str, error: EngineError) -> None:
        self._report(RecognitionFailed(item_id, Failure.of(error)))

    def _ended(self, item_id: str, opened: _Opened) -> None:
        if self._opened.get(item_id) is opened:
            del self._opened[item_id]
        closing = self._close(opened.stream, opened.connected.recognizer)
        closing.add_done_callback(lambda _: self._closed(opened.connected))

    def _closed(self, connected: _Connected) -> None:
        connected.streams -= 1
        self._leave_replaced()

    def _close(self, ended: RecognitionStream | RecognitionSession, recognizer: Recognizer) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(_close(ended))
        self._closing[task] = recognizer.name
        task.add_done_callback(self._closing.pop)
        return task


def _only_language(recognizer: Recognizer) -> str | None:
    """Return the language that a recogniser writes, if it knows no other one: some do not tell it."""
    known = recognizer.abilities.languages
    return next(iter(known)) if len(known) == 1 else None


async def _close(ended: RecognitionStream | RecognitionSession) -> None:
    try:
        with engine_call(STAGE):
            await ended.aclose()
    except EngineError as error:
        logger.warning("a speech recogniser could not be closed: %s", error)
