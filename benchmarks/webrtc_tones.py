"""Makes and detects the tones of `webrtc.py`: short, far apart, and distinguishable however late they arrive."""

import json
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

RATE = 48_000
FRAME = RATE // 50
TONES_HZ = (500, 800, 1100, 1400, 1700, 2000, 2300, 2600)
PERIOD_FRAMES = 10
"""Frames from the start of one tone to the next. The tones take turns."""
_LOUD = 2000
_BLURRED_HZ = 60
"""Largest distance from a tone's frequency; a sound further from every tone is a concealed one."""


def tone_packets() -> list[bytes]:
    """Return Opus packets of 20 ms to send in a loop: each tone once, at the start of every tenth packet."""
    codec = av.CodecContext.create("libopus", "w")
    codec.format, codec.layout, codec.sample_rate, codec.bit_rate = "s16", "mono", RATE, 32_000
    codec.time_base = Fraction(1, RATE)
    codec.options = {"application": "voip", "frame_duration": "20"}
    at_s = np.arange(FRAME) / RATE
    circle: list[NDArray[np.float64]] = []
    for frequency in TONES_HZ:
        circle += [12_000 * np.sin(2 * np.pi * frequency * at_s)] + [np.zeros(FRAME)] * (PERIOD_FRAMES - 1)
    packets: list[bytes] = []
    for number, samples in enumerate(circle * 2):
        frame = av.AudioFrame.from_ndarray(samples.astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, number * FRAME, Fraction(1, RATE)
        packets += map(bytes, codec.encode(frame))
    return packets[len(circle) : 2 * len(circle)]  # take the second loop, when the encoder has settled


@dataclass(frozen=True, slots=True)
class Tone:
    number: int
    arrived_s: float
    """Time of arrival of the piece of audio that contains the tone's first sample."""
    offset_s: float
    """Start of the tone within that piece, in seconds."""


class ToneDetector:
    """Finds the starts of tones in mono audio that arrives in pieces."""

    def __init__(self, rate: int = RATE) -> None:
        self._rate = rate
        self._window = rate * 12 // 1000
        self._pause = rate * 30 // 1000
        self._quiet = self._pause  # samples since the last loud sample
        self._tone: list[NDArray[np.int16]] = []
        self._arrived_s = self._offset_s = 0.0

    def hear(self, pcm: NDArray[np.int16], arrived_s: float) -> Tone | None:
        """Take a piece of less than 200 ms; return the tone that it completes, if any."""
        if self._tone:
            self._tone.append(pcm)
            return self._recognise()
        loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > _LOUD)
        begins = len(loud) > 0 and self._quiet + int(loud[0]) >= self._pause
        self._quiet = len(pcm) - 1 - int(loud[-1]) if len(loud) else self._quiet + len(pcm)
        if not begins:
            return None
        self._arrived_s, self._offset_s = arrived_s, int(loud[0]) / self._rate
        self._tone = [pcm[int(loud[0]) :]]
        return self._recognise()

    def _recognise(self) -> Tone | None:
        samples = np.concatenate(self._tone)
        if len(samples) < self._window:
            return None
        self._tone, self._quiet = [], 0
        spectrum = np.abs(np.fft.rfft(samples[: self._window] * np.hanning(self._window), 4096))
        peak_hz = float(np.argmax(spectrum)) * self._rate / 4096
        number = int(np.argmin([abs(peak_hz - frequency) for frequency in TONES_HZ]))
        if abs(peak_hz - TONES_HZ[number]) > _BLURRED_HZ:
            return None
        return Tone(number, self._arrived_s, self._offset_s)


def tone_event(tone: Tone) -> str:
    """Return the event with which a server reports a detected tone to its caller."""
    return json.dumps({"type": "tone", "number": tone.number, "arrived_s": tone.arrived_s})
