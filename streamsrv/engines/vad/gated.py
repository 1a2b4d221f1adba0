"""A cheap gate in front of a detector, so that silent sessions cost next to nothing, and one call for all that do not.

The gate is WebRTC's detector at its most permissive, held open for a second after each of its findings. A noisy room
opens it most of the time, but what it stops is not speech: in half an hour of recorded speech and noise, Silero found
speech in none of the frames it would have stopped. It does not depend on the model's answers, so results do not depend
on how audio was cut into calls.
"""

from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.vad.base import FRAME_MS, VadStream
from streamsrv.inference.scheduler import Priority, Scheduler

HOLD_FRAMES = 1000 // FRAME_MS
"""Frames for which the gate is open, from one that may be speech. A shorter time costs frames at soft word ends."""
_DECISION_SAMPLES = SPEECH_RATE_HZ * 30 // 1000
"""WebRTC's detector takes 10, 20 or 30 ms: it hears the end of each frame of 32 ms."""

Frames = NDArray[np.int16]


class BatchingVad(Protocol):
    """A `vad.base.Vad` that hears several streams in one call, for less than as many calls cost."""

    name: str

    def open(self) -> VadStream: ...

    def hear(self, pieces: Sequence[tuple[Any, Frames]]) -> list[list[float]]:
        """For each of its streams with its next frames, what `VadStream.probabilities` would return. Blocks."""
        ...


class GatedVad:
    """`vad.base.Vad`: another one, with a gate in front of each stream."""

    def __init__(self, vad: BatchingVad) -> None:
        self.name = vad.name
        self._vad = vad

    def open(self) -> "GatedStream":
        """Start listening to one session's audio."""
        return GatedStream(self._vad)


class GatedStream:
    """`vad.base.VadStream`: frames that the gate stops have probability 0, and the model never hears of them.

    Its recurrent state waits meanwhile. Measured against showing it every frame, that changes fewer decisions than
    starting from a fresh state, even with the last 320 ms before the gate opened.
    """

    def __init__(self, vad: BatchingVad) -> None:
        self._vad = vad
        self._stream = vad.open()
        self._gate = Gate()

    def probabilities(self, frames: Frames) -> list[float]:
        """Probability of speech (0..1) in each row of `frames`, shape (n, 512)."""
        admitted = self._gate.admit(frames)
        if True not in admitted:
            return [0.0] * len(frames)
        return _fill(admitted, self._stream.probabilities(_choose(frames, admitted)))

    async def hear(self, frames: Frames, scheduler: Scheduler) -> list[float]:
        """As `probabilities`, from the event loop: silence is answered at once, all else in one call with others."""
        admitted = self._gate.admit(frames)
        if True not in admitted:
            return [0.0] * len(frames)
        piece = (self._stream, _choose(frames, admitted))
        return _fill(admitted, await scheduler.run_together(Priority.VOICE_ACTIVITY, self._vad.hear, piece))


async def hear(stream: VadStream, frames: Frames, scheduler: Scheduler) -> list[float]:
    """`stream.probabilities(frames)` from the event loop, by way of `scheduler` where it blocks."""
    if isinstance(stream, GatedStream):
        return await stream.hear(frames, scheduler)
    return await scheduler.run(Priority.VOICE_ACTIVITY, lambda: stream.probabilities(frames))


class Gate:
    """Tells which frames may be speech, at some microseconds a frame."""

    def __init__(self) -> None:
        import webrtcvad  # of an extra: a server may have detectors without a gate, and no such package

        self._detector = cast("Any", webrtcvad).Vad(0)
        self._open_frames = HOLD_FRAMES  # the first word may be a soft one

    def admit(self, frames: Frames) -> list[bool]:
        """Whether to let in each row of `frames`, shape (n, 512)."""
        return [self._is_open(frame) for frame in frames]

    def _is_open(self, frame: NDArray[np.int16]) -> bool:
        if self._detector.is_speech(frame[-_DECISION_SAMPLES:].tobytes(), SPEECH_RATE_HZ):
            self._open_frames = HOLD_FRAMES
        elif self._open_frames:
            self._open_frames -= 1
        return self._open_frames > 0


def _choose(frames: Frames, admitted: list[bool]) -> Frames:
    return frames[admitted] if False in admitted else frames


def _fill(admitted: list[bool], probabilities: list[float]) -> list[float]:
    """The model's answers, in their places among all frames."""
    answers = iter(probabilities)
    return [next(answers) if is_admitted else 0.0 for is_admitted in admitted]
