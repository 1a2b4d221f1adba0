"""Waits for the pieces of a synthesiser, but not for ever."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable

from streamsrv.engines.tts.base import SpeechChunk
from streamsrv.errors import Unavailable

logger = logging.getLogger(__name__)

CLOSE_S = 1.0
"""Seconds that a synthesiser gets to stop."""

_stuck: set[asyncio.Future[None]] = set()
"""What does not stop: it is kept until it does, because nothing else holds it."""


class Late(Unavailable):
    """A synthesiser gave no audio for too long."""


async def with_patience(
    chunks: AsyncGenerator[SpeechChunk, None], name: str, patience_s: float
) -> AsyncGenerator[SpeechChunk, None]:
    """Yield the pieces. Raises `Late` if one takes longer than `patience_s`; 0: no limit.

    Closing it stops the synthesiser; one that does not stop within `CLOSE_S` is left to itself.
    """
    waiting: asyncio.Task[SpeechChunk | None] | None = None
    try:
        while True:
            waiting = asyncio.create_task(_next(chunks))
            await asyncio.wait({waiting}, timeout=patience_s or None)
            if not waiting.done():
                raise Late(f"{name} gave no audio for {patience_s:g} s.")
            if (chunk := waiting.result()) is None:
                return
            yield chunk
    finally:
        if waiting is not None and not waiting.done():
            waiting.cancel()
            await _stopped(_wait_for(waiting), name)
        if waiting is None or waiting.done():
            await _stopped(chunks.aclose(), name)


async def _next(chunks: AsyncGenerator[SpeechChunk, None]) -> SpeechChunk | None:
    return await anext(chunks, None)


async def _wait_for(task: "asyncio.Task[SpeechChunk | None]") -> None:
    await asyncio.gather(task, return_exceptions=True)


async def _stopped(stopping: Awaitable[None], name: str) -> None:
    """Wait for the end of a synthesiser, whose error does not count any more."""
    task = asyncio.ensure_future(stopping)
    _stuck.add(task)
    task.add_done_callback(_ended)
    await asyncio.wait({task}, timeout=CLOSE_S)
    if not task.done():
        logger.error("%s did not stop within %g s", name, CLOSE_S)


def _ended(task: "asyncio.Future[None]") -> None:
    _stuck.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.info("a synthesiser failed while it was stopped: %s", error)
