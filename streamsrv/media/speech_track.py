"""Sends the speech of a call as Opus packets at an even pace."""

import asyncio
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack
from numpy.typing import NDArray

from streamsrv.audio.opus import SILENCE, OpusEncoder
from streamsrv.audio.rates import OPUS_CLOCK_HZ, OPUS_FRAME_SAMPLES, PCM_RATE_HZ
from streamsrv.audio.resample import StreamResampler
from streamsrv.media.playout import Played, Playout

FRAME_S = 0.02
RESYNC_S = 0.1
"""Delay in seconds beyond which the track skips the missed packets instead of sending a burst."""
TAIL_FRAMES = 3
"""Frames of silence that are encoded after speech, until the encoder holds no more of the speech."""
_QUIET = np.zeros(OPUS_FRAME_SAMPLES, np.int16)
_TICKS = Fraction(1, OPUS_CLOCK_HZ)


class SpeechTrack(MediaStreamTrack):
    """Plays queued speech and calls `report` with what was played.

    It also sends silence, in small packets that are encoded only once, because receivers keep their delay short as long
    as packets arrive.
    """

    kind = "audio"

    def __init__(self, report: Callable[[Played], None]) -> None:
        super().__init__()
        self._report = report
        self._playout = Playout()
        self._encoder = OpusEncoder(lossy=True)
        self._resamplers: dict[str, StreamResampler] = {}
        self._silent_frames = TAIL_FRAMES
        self._slot = 0
        self._due_s: float | None = None

    def play(self, item_id: str, pcm: NDArray[np.int16], sample_rate: int) -> bool:
        """Queue audio of an item; return whether there was room."""
        if item_id not in self._resamplers:
            self._resamplers[item_id] = StreamResampler(sample_rate, PCM_RATE_HZ)
        return self._playout.play(item_id, self._resamplers[item_id].process(pcm))

    def finish(self, item_id: str) -> None:
        """Mark the audio of an item as complete."""
        resampler = self._resamplers.pop(item_id, None)
        if resampler is not None:
            self._playout.play(item_id, resampler.process(np.zeros(0, np.int16), last=True))
            self._playout.finish(item_id)

    def hold(self) -> None:
        """Pause playback at the current position."""
        self._report_all(self._playout.hold())

    def resume(self) -> None:
        """Continue playback where `hold` paused it."""
        self._playout.resume()

    def clear(self) -> None:
        """Drop the speech that was not played."""
        self._resamplers.clear()
        self._report_all(self._playout.clear())

    async def recv(self) -> "av.Packet[Any]":
        """Wait until the next 20 ms are due; return their packet."""
        pts = await self._next_slot()
        frame, played = self._playout.next_frame()
        self._report_all(played)
        packet = av.Packet(self._encode(frame))
        packet.pts, packet.time_base = pts, _TICKS
        return packet

    def _encode(self, frame: NDArray[np.int16] | None) -> bytes:
        if frame is not None:
            self._silent_frames = 0
        elif self._silent_frames < TAIL_FRAMES:
            self._silent_frames += 1
        else:
            return SILENCE
        return self._encoder.encode(_QUIET if frame is None else frame)

    async def _next_slot(self) -> int:
        """Wait until the next packet is due; return its timestamp."""
        now_s = asyncio.get_running_loop().time()
        due_s = now_s if self._due_s is None else self._due_s
        if now_s - due_s > RESYNC_S:
            missed = int((now_s - due_s) / FRAME_S)
            self._slot += missed
            due_s += missed * FRAME_S
        await asyncio.sleep(max(0.0, due_s - now_s))
        self._due_s = due_s + FRAME_S
        self._slot += 1
        return (self._slot - 1) * OPUS_CLOCK_HZ // 50

    def _report_all(self, played: list[Played]) -> None:
        for report in played:
            self._report(report)
