"""Puts a cheap gate in front of a detector, so that silence costs little, and batches the frames of all sessions.

The gate is WebRTC's detector at its most permissive setting, held open for some time after each frame that may be
speech. Noise opens it most of the time, but frames that it stops are very unlikely to be speech. The gate does not use
the model's results, so the results do not depend on how the audio is cut into calls.
"""

from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.vad.base import FRAME_MS, VadStream
from streamsrv.inference.scheduler import Priority, Scheduler

HOLD_FRAMES = 1000 // FRAME_MS
"""Frames for which the gate stays open after one that may be speech. A shorter time would cut soft ends of words."""
_DECISION_SAMPLES = SPEECH_RATE_HZ * 30 // 1000
"""Samples of each frame, from its end, that the gate looks at: WebRTC's detector takes 10, 20 or 30 ms."""

Frames = NDArray[np.int16]


class BatchingVad(Protocol):
    """A `vad.base.Vad` that can process several streams in one call, which costs less than a call for each."""

    name: str

    def open(self) -> VadStream: ...

    def hear(self, pieces: Sequence[tuple[Any, Frames]]) -> list[list[float]]:
        """Return for each stream and its next frames what `VadStream.probabilities` would return. Blocks."""
        ...


class GatedVad:
    """A `vad.base.Vad` that puts a gate in front of each stream of another detector."""

    def __init__(self, vad: BatchingVad) -> None:
        self.name = vad.name
        self._vad = vad

    def open(self) -> "GatedStream":
        """Open a stream for one session's audio."""
        return GatedStream(self._vad)


class GatedStream:
    """A `vad.base.VadStream` in which frames that the gate stops have probability 0 and do not reach the model.

    The model's recurrent state is kept while the gate is closed. Compared with a model that gets all frames, this
    changes fewer decisions than a fresh state does.
    """

    def __init__(self, vad: BatchingVad) -> None:
        self._vad = vad
        self._stream = vad.open()
        self._gate = Gate()

    def probabilities(self, frames: Frames) -> list[float]:
        """Return the probability of speech (0..1) in each row of `frames`, shape (n, 512)."""
        admitted = self._gate.admit(frames)
        if True not in admitted:
            return [0.0] * len(frames)
        return _fill(admitted, self._stream.probabilities(_choose(frames, admitted)))

    async def hear(self, frames: Frames, scheduler: Scheduler) -> list[float]:
        """Return `probabilities(frames)` on the event loop: silence at once, the rest in a call with other streams."""
        admitted = self._gate.admit(frames)
        if True not in admitted:
            return [0.0] * len(frames)
        piece = (self._stream, _choose(frames, admitted))
        return _fill(admitted, await scheduler.run_together(Priority.VOICE_ACTIVITY, self._vad.hear, piece))


async def hear(stream: VadStream, frames: Frames, scheduler: Scheduler) -> list[float]:
    """Return `stream.probabilities(frames)` on the event loop; blocking work runs on `scheduler`."""
    if isinstance(stream, GatedStream):
        return await stream.hear(frames, scheduler)
    return await scheduler.run(Priority.VOICE_ACTIVITY, lambda: stream.probabilities(frames))


class Gate:
    """Decides cheaply which frames may be speech."""

    def __init__(self) -> None:
        import webrtcvad  # not at the top: a server with another detector may lack this package

        self._detector = cast("Any", webrtcvad).Vad(0)
        self._open_frames = HOLD_FRAMES  # open at the start, because the first word may be soft

    def admit(self, frames: Frames) -> list[bool]:
        """Return for each row of `frames`, shape (n, 512), whether it passes the gate."""
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
    """Return the model's probabilities at the admitted frames, and 0 at the others."""
    answers = iter(probabilities)
    return [next(answers) if is_admitted else 0.0 for is_admitted in admitted]
