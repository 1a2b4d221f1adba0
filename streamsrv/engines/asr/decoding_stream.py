"""What the streams of recognisers on this machine share: a task decodes the audio that came, and is told of more."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator

import numpy as np
from numpy.typing import NDArray

from streamsrv.engines.asr.base import Transcript
from streamsrv.engines.asr.interruptible import InterruptibleWait
from streamsrv.engines.asr.latest import LatestTranscript
from streamsrv.errors import Overloaded

MAX_BACKLOG_MS = 600_000
"""Audio that may wait for a decoder that cannot keep up. A stream with more fails with `Overloaded`."""


class DecodingStream(ABC):
    """A `RecognitionStream` that keeps the newest unread transcript. `name` is that of its recogniser."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._finishing = False
        self._wait = InterruptibleWait()
        """The task's wait for a decode."""
        self._wake = asyncio.Event()
        """Audio came that makes a decode due, or the last of it."""
        self._transcripts = LatestTranscript()
        self._task = asyncio.get_running_loop().create_task(self._work(), name=f"recognition-{name}")

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None:
        """Take mono PCM at 16 kHz; ignored once the stream has ended."""
        if self._finishing or self._transcripts.ended:
            return
        self._take_audio(pcm, speech=speech)
        if self._backlog_ms > MAX_BACKLOG_MS:
            self._transcripts.end(Overloaded(f"{self._name} is {MAX_BACKLOG_MS // 1000} s of speech behind."))
            self._task.cancel()
        elif self._is_due:
            self._wake.set()
            self._preempt()

    def finish(self) -> None:
        """End the audio: the final transcript comes when the rest is decoded."""
        if self._finishing:
            return
        self._finishing = True
        self._end_audio()
        self._wake.set()
        self._preempt()

    async def aclose(self) -> None:
        """Drop the stream. What a worker thread has begun runs to its end, and its result is ignored."""
        self._transcripts.drop()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def __aiter__(self) -> AsyncIterator[Transcript]:
        return self

    async def __anext__(self) -> Transcript:
        return await anext(self._transcripts)

    async def _work(self) -> None:
        try:
            self._transcripts.put(await self._decode_all())
            self._transcripts.end()
        except Exception as error:
            self._transcripts.end(error)

    @abstractmethod
    async def _decode_all(self) -> Transcript:
        """Decode while audio comes; return the final transcript once `_finishing`."""

    @abstractmethod
    def _take_audio(self, pcm: NDArray[np.int16], *, speech: bool) -> None:
        """Keep audio for the task. A transcript that needs no decode may be put."""

    @property
    @abstractmethod
    def _backlog_ms(self) -> float:
        """How much audio waits for a decode."""

    @property
    @abstractmethod
    def _is_due(self) -> bool:
        """Whether a decode should begin now, if none runs."""

    @abstractmethod
    def _end_audio(self) -> None:
        """No more audio comes."""

    @abstractmethod
    def _preempt(self) -> None:
        """Interrupt the decode that runs if the one that is due, or the last one, is more urgent."""
