"""Records a telephone call: the caller on the left, the agent, as the caller heard it, on the right."""

import asyncio
import contextlib
import logging
import os
import struct
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

NEW = ".new-"
"""Beginning of the names of files that are being written. What a crash leaves is removed at the next start."""
WRITE_S = 1.0
"""Seconds of audio that are written at a time, and how far one side may be behind the other."""
MAX_GAP_S = 0.1
"""How late audio may be that follows the audio before it; what is later has silence before it."""
MAX_HOURS = 6
"""The longest recording; the call goes on without."""
MAX_WAITING_S = 30
"""Seconds of audio that may wait to be written; a disk that is slower ends the recording."""
HEADER_BYTES = 44


class RecordingFacts(msgspec.Struct, frozen=True):
    """What is kept of a recording besides its audio."""

    id: str
    """That of the call."""
    created_at: int
    """Unix seconds of the beginning."""
    provider: str
    direction: str
    agent: str
    caller: str
    """Stands for the number of the caller."""
    seconds: float = 0
    is_complete: bool = False
    """Whether it has the whole call."""


class StereoTrack:
    """Aligns the two sides of a call. Pure: `now_s` is the time since the call began."""

    def __init__(self, sample_rate: int) -> None:
        self.rate = sample_rate
        self._sides = [np.zeros(0, np.int16), np.zeros(0, np.int16)]
        self._taken = 0  # samples of each side that were taken

    def add(self, side: int, pcm: NDArray[np.int16], now_s: float) -> None:
        """Add audio that ends now, of side 0 (left) or 1 (right), after what was added before."""
        held = self._sides[side]
        gap = round(now_s * self.rate) - len(pcm) - self._taken - len(held)
        silence = np.zeros(gap if gap > MAX_GAP_S * self.rate else 0, np.int16)
        self._sides[side] = np.concatenate([held, silence, pcm])

    def take(self, until_s: float) -> NDArray[np.int16]:
        """Return both sides from where they were taken last until then, interleaved; what is missing is silence."""
        wanted = max(0, round(until_s * self.rate) - self._taken)
        columns: list[NDArray[np.int16]] = []
        for side, held in enumerate(self._sides):
            columns.append(np.pad(held[:wanted], (0, max(0, wanted - len(held)))))
            self._sides[side] = held[wanted:]
        self._taken += wanted
        return np.stack(columns, axis=1).reshape(-1)

    @property
    def length_s(self) -> float:
        """The length of the longer side."""
        return (self._taken + max(map(len, self._sides))) / self.rate


class CallRecording:
    """Writes the recording of one call to a folder, on threads, while the call goes on.

    `facts`: what is known of it at the beginning. A disk that is full or too slow ends the recording with a line in the
    log, and not the call.
    """

    def __init__(self, folder: Path, facts: RecordingFacts, sample_rate: int) -> None:
        self._folder = folder
        self._facts = facts
        self._track = StereoTrack(sample_rate)
        self._began_s = time.monotonic()
        self._stopped = asyncio.Event()
        self._file: BinaryIO | None = None
        self._written = 0  # bytes of audio
        self._failure = ""

    def hear_caller(self, pcm: NDArray[np.int16]) -> None:
        self._add(0, pcm)

    def hear_agent(self, pcm: NDArray[np.int16]) -> None:
        self._add(1, pcm)

    def stop(self) -> None:
        """The call has ended: let `run` write the rest, and clients find the recording."""
        self._stopped.set()

    async def run(self) -> None:
        """Write what is heard until `stop`, or until the recording fails."""
        await self._write(self._open)
        is_over = False
        while not self._failure and not is_over:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WRITE_S):
                    await self._stopped.wait()
            if self._now_s > MAX_HOURS * 3600:
                self._fail(f"It is longer than {MAX_HOURS} hours.")
            is_over = self._stopped.is_set()
            until_s = self._track.length_s if is_over else self._now_s - WRITE_S
            await self._write(partial(self._append, self._track.take(until_s)))
        await self._write(self._finish)

    @property
    def _now_s(self) -> float:
        return time.monotonic() - self._began_s

    def _add(self, side: int, pcm: NDArray[np.int16]) -> None:
        if self._failure or self._stopped.is_set():
            return
        self._track.add(side, pcm, self._now_s)
        if self._track.length_s - self._seconds > MAX_WAITING_S:
            self._fail("The disk is too slow.")

    @property
    def _seconds(self) -> float:
        return self._written / (4 * self._track.rate)

    def _fail(self, why: str) -> None:
        if not self._failure:
            self._failure = why
            logger.error("the recording of call %s ends, and the call goes on: %s", self._facts.id, why)

    async def _write(self, work: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(work)
        except OSError as error:
            self._fail(str(error))

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file = open_private(self._folder / f"{NEW}{self._facts.id}.wav")
        self._file.write(self._header())

    def _append(self, audio: NDArray[np.int16]) -> None:
        if self._file is not None:
            self._file.write(audio.astype("<i2", copy=False).tobytes())
            self._file.flush()
            self._written += audio.nbytes

    def _finish(self) -> None:
        """Complete the file, and give it its name; what a failed recording has is kept."""
        if self._file is None:
            return
        with contextlib.suppress(OSError), self._file:
            self._file.truncate(HEADER_BYTES + self._written)
            self._file.seek(0)
            self._file.write(self._header())
        seconds, is_complete = round(self._seconds, 2), not self._failure
        facts = msgspec.structs.replace(self._facts, seconds=seconds, is_complete=is_complete)
        for ending, content in ((".json", msgspec.json.encode(facts)), (".wav", None)):
            new = self._folder / f"{NEW}{facts.id}{ending}"
            if content is not None:
                with open_private(new) as file:
                    file.write(content)
            new.rename(self._folder / f"{facts.id}{ending}")

    def _header(self) -> bytes:
        rate, size = self._track.rate, self._written
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, rate, 4 * rate, 4, 16)
        return (
            struct.pack("<4sI4s", b"RIFF", HEADER_BYTES - 8 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size)
        )


def open_private(path: Path) -> BinaryIO:
    """Open a new file that only this user may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
