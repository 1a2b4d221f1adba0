"""Waits for the pieces of a synthesiser, but not for ever."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable

from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.engines.tts.base import SpeechChunk
from streamsrv.errors import Unavailable

logger = logging.getLogger(__name__)

MIN_PACE = 0.05
"""Seconds of audio for each second of waiting that a synthesiser must give: one that gives less will never end."""
CLOSE_S = 1.0
"""Seconds that a synthesiser gets to stop."""

_stuck: set[asyncio.Future[None]] = set()
"""What does not stop: it is kept until it does, because nothing else holds it."""


class Late(Unavailable):
    """A synthesiser gave no audio for too long."""


async def with_patience(
    chunks: AsyncGenerator[SpeechChunk, None], name: str, patience_s: float
) -> AsyncGenerator[SpeechChunk, None]:
    """Yield the pieces, at 24 kHz. Raises `Late` if one takes longer than `patience_s`; 0: no limit.

    So it does after the first piece if in `patience_s` of waiting less audio came than `MIN_PACE` of that time.
    Closing it stops the synthesiser; one that does not stop within `CLOSE_S` is left to itself.
    """
    waiting: asyncio.Task[SpeechChunk | None] | None = None
    clock = asyncio.get_running_loop().time
    waited_s = audio_s = 0.0
    is_first = True
    try:
        while True:
            began_s = clock()
            waiting = asyncio.create_task(_next(chunks))
            await asyncio.wait({waiting}, timeout=patience_s or None)
            if not waiting.done():
                raise Late(f"{name} gave no audio for {patience_s:g} s.")
            if (chunk := waiting.result()) is None:
                return
            waited_s, audio_s = waited_s + clock() - began_s, audio_s + len(chunk.pcm) / PCM_RATE_HZ
            if is_first or waited_s > patience_s:
                if patience_s and not is_first and audio_s < MIN_PACE * waited_s:
                    raise Late(f"{name} gave only {audio_s:.2f} s of audio in {waited_s:.1f} s.")
                waited_s, audio_s, is_first = 0.0, 0.0, False
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
