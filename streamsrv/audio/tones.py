"""Finds the tones of telephone networks, fax machines and answering machines in telephone audio.

Frequencies and cadences: ITU-T T.30 (fax), E.180 and its supplement 2 (busy, congestion and special information
tones). Answering machines end their greeting with a beep that no standard describes: a single steady frequency, and
then silence.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import FULL_SCALE

_HOP_MS, _WINDOW_MS = 20, 40
_MIN_HZ, _MAX_HZ = 300.0, 3_400.0
"""The pass band of a telephone line. Hum below it is not looked at."""
_MIN_LEVEL_DB = -45.0
"""Level (dBFS) below which nothing is a tone."""
_PURE = 0.9
"""Share of a frame's power that the frequencies of a tone have; a vowel has its power in many harmonics."""
_MIN_SECOND = 0.1
"""Least share of the second frequency of a tone."""
_STEADY_HZ = 25.0
"""How far the frequencies of a tone may move."""
_PURE_BEEP, _STEADY_BEEP_DB, _STEADY_BEEP_HZ = 0.95, 6.0, 8.0
"""The same share for a beep, and how much its level and frequency may vary: a voice that hums is less steady."""
_SILENT_DB = 15.0
"""How much softer than a tone the silence after it is."""
_LOBE = 2
"""Bins on each side of a peak that belong to it: the main lobe of the Hann window."""
_MAX_BURSTS = 8
_MAX_FRAMES = 100
"""Frames that are kept of a tone: more than the longest beep has."""
_GAP_MS = 60
"""Longest time from one frame of a tone to the next: a fax machine's has breaks where its phase changes."""


class Tone(Enum):
    """A tone of a machine on the other end of a call."""

    FAX_CALLING = "fax_calling"
    """A fax machine calls (CNG): told after its second burst, because the first may be an answering machine's beep."""
    FAX_ANSWERING = "fax_answering"
    """A fax machine or a modem answers (CED, ANSam)."""
    BUSY = "busy"
    """The line is busy or congested, or the other end has hung up."""
    UNREACHABLE = "unreachable"
    """The special information tone, which precedes an announcement that the call cannot be connected."""
    BEEP = "beep"
    """An answering machine's beep: it records from now on."""


@dataclass(frozen=True, slots=True)
class Band:
    """A range of frequencies, Hz."""

    low: float
    high: float

    def __contains__(self, hz: float) -> bool:
        return self.low <= hz <= self.high


CNG, CED, BUSY_BAND, BEEP_BAND = Band(1050, 1150), Band(2070, 2130), Band(380, 640), Band(400, 3_400)
SIT = (Band(890, 1010), Band(1340, 1460), Band(1740, 1860))

_CNG_ON_MS, _CNG_OFF_MS = (400, 620), (2400, 3600)
_CED_MS = 1_000
_SIT_ON_MS, _SIT_GAP_MS = (200, 440), 80
_BUSY_ON_MS, _BUSY_OFF_MS, _BUSY_BURSTS, _BUSY_JITTER_MS = (140, 660), (100, 660), 3, 60
_BEEP_ON_MS, _BEEP_SILENCE_MS = (100, 1_600), 100
_BUSY_LIKE_BEEP_ON_MS, _BUSY_LIKE_BEEP_SILENCE_MS = (180, 900), 700
"""The same for a beep at the frequency of busy and ringing tones, and of high voices that hum."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame as a tone: `hz` has its one or two frequencies, or none."""

    level_db: float
    hz: tuple[float, ...] = ()
    pure: float = 0.0
    """Share of the power that these frequencies have."""


@dataclass(slots=True)
class _Burst:
    """A tone from its beginning to its end, in ms of the audio."""

    hz: tuple[float, ...]
    began_ms: int
    until_ms: int
    level_db: float
    """Of the loudest frame."""
    frames: list[_Frame]
    """Its frames, `_MAX_FRAMES` at most."""
    told: bool = False
    quiet_ms: int = 0
    """The silence after it so far."""
    disturbed: bool = False
    """Whether a sound followed it before the silence was long enough."""

    @property
    def duration_ms(self) -> int:
        return self.until_ms - self.began_ms

    def is_single(self, band: Band) -> bool:
        return len(self.hz) == 1 and self.hz[0] in band

    @property
    def is_machine_made(self) -> bool:
        """Whether it is purer and steadier than a voice: the frames at its beginning and end are not looked at."""
        inner = self.frames[2:-2] or self.frames[1:-1]
        if not inner or len(self.hz) > 1:
            return False
        levels, pitches = [frame.level_db for frame in inner], [frame.hz[0] for frame in inner]
        return (
            min(frame.pure for frame in inner) >= _PURE_BEEP
            and max(levels) - min(levels) <= _STEADY_BEEP_DB
            and max(pitches) - min(pitches) <= _STEADY_BEEP_HZ
        )

    def is_like(self, hz: tuple[float, ...]) -> bool:
        return len(hz) == len(self.hz) and all(abs(a - b) <= _STEADY_HZ for a, b in zip(hz, self.hz, strict=True))


class ToneDetector:
    """Finds tones in one stream of mono int16 PCM at `sample_rate` Hz (8000 or more), chunk by chunk."""

    def __init__(self, sample_rate: int) -> None:
        self._hop = sample_rate * _HOP_MS // 1000
        self._window = sample_rate * _WINDOW_MS // 1000
        self._waiting: NDArray[np.int16] = np.zeros(0, np.int16)
        self._heard_ms = 0
        self._bursts: deque[_Burst] = deque(maxlen=_MAX_BURSTS)

    def hear(self, pcm: NDArray[np.int16]) -> list[Tone]:
        """Take audio of any length; return the tones that are certain by now, each burst of one once."""
        samples = np.concatenate([self._waiting, pcm])
        frames = (len(samples) - self._window) // self._hop + 1
        if frames <= 0:
            self._waiting = samples
            return []
        windows = np.lib.stride_tricks.sliding_window_view(samples, self._window)[:: self._hop]
        self._waiting = samples[frames * self._hop :].copy()
        found: list[Tone] = []
        for power in _spectra(windows):
            self._heard_ms += _HOP_MS
            self._follow(_frame_of(power))
            found += [] if (tone := self._decide()) is None else [tone]
        return found

    def _follow(self, frame: _Frame) -> None:
        """Continue, begin or end a burst with a frame."""
        last = self._bursts[-1] if self._bursts else None
        if frame.hz and last is not None and last.is_like(frame.hz) and self._heard_ms - last.until_ms <= _GAP_MS:
            last.until_ms, last.quiet_ms, last.disturbed = self._heard_ms, 0, False
            last.level_db = max(last.level_db, frame.level_db)
            last.frames += [frame] if len(last.frames) < _MAX_FRAMES else []
            return
        if last is not None:
            if frame.level_db <= last.level_db - _SILENT_DB:
                last.quiet_ms += _HOP_MS
            elif self._heard_ms - last.until_ms > _WINDOW_MS or frame.hz:  # before, the window has the tone's end
                last.disturbed = last.disturbed or last.quiet_ms < _silence_ms(last)
        if frame.hz:
            self._drop_fragment()
            self._bursts.append(_Burst(frame.hz, self._heard_ms - _HOP_MS, self._heard_ms, frame.level_db, [frame]))

    def _drop_fragment(self) -> None:
        """Forget a last burst of a single frame: between two tones, one window holds both."""
        if self._bursts and self._bursts[-1].duration_ms <= 2 * _HOP_MS:
            self._bursts.pop()

    def _decide(self) -> Tone | None:
        if not self._bursts or self._bursts[-1].told:
            return None
        last = self._bursts[-1]
        tone = self._decide_last(last)
        last.told = tone is not None
        return tone

    def _decide_last(self, last: _Burst) -> Tone | None:
        if last.is_single(CED) and last.duration_ms >= _CED_MS:
            return Tone.FAX_ANSWERING
        if not last.quiet_ms:
            return None
        if self._is_special_information():
            return Tone.UNREACHABLE
        if self._is_busy():
            return Tone.BUSY
        if self._is_fax_calling():
            return Tone.FAX_CALLING
        return Tone.BEEP if self._is_beep(last) else None

    def _is_special_information(self) -> bool:
        bursts = list(self._bursts)[-len(SIT) :]
        return (
            len(bursts) == len(SIT)
            and all(burst.is_single(band) for burst, band in zip(bursts, SIT, strict=True))
            and all(_within(burst.duration_ms, _SIT_ON_MS) for burst in bursts)
            and all(gap_ms <= _SIT_GAP_MS for gap_ms in _gaps_ms(bursts))
        )

    def _is_busy(self) -> bool:
        bursts = list(self._bursts)[-_BUSY_BURSTS:]
        return (
            len(bursts) == _BUSY_BURSTS
            and all(burst.is_like(bursts[0].hz) for burst in bursts)
            and all(hz in BUSY_BAND for hz in bursts[0].hz)
            and all(_within(burst.duration_ms, _BUSY_ON_MS) for burst in bursts)
            and all(_within(gap_ms, _BUSY_OFF_MS) for gap_ms in _gaps_ms(bursts))
            and _spread([burst.duration_ms for burst in bursts]) <= _BUSY_JITTER_MS
            and _spread(_gaps_ms(bursts)) <= _BUSY_JITTER_MS
        )

    def _is_fax_calling(self) -> bool:
        bursts = list(self._bursts)[-2:]
        return (
            len(bursts) == 2
            and all(burst.is_single(CNG) and _within(burst.duration_ms, _CNG_ON_MS) for burst in bursts)
            and _within(_gaps_ms(bursts)[0], _CNG_OFF_MS)
        )

    def _is_beep(self, last: _Burst) -> bool:
        if not last.is_machine_made or last.disturbed or last.quiet_ms < _silence_ms(last):
            return False
        if last.hz[0] not in BEEP_BAND:
            return False
        if last.hz[0] not in BUSY_BAND:
            return _within(last.duration_ms, _BEEP_ON_MS)
        earlier = [burst for burst in self._bursts if burst is not last and burst.is_like(last.hz)]
        repeats = any(last.began_ms - burst.until_ms <= _BUSY_LIKE_BEEP_SILENCE_MS for burst in earlier)
        return not repeats and _within(last.duration_ms, _BUSY_LIKE_BEEP_ON_MS)


def _silence_ms(burst: _Burst) -> int:
    """Return how long the silence after a beep must be."""
    return _BUSY_LIKE_BEEP_SILENCE_MS if min(burst.hz) in BUSY_BAND else _BEEP_SILENCE_MS


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _gaps_ms(bursts: list[_Burst]) -> list[int]:
    return [after.began_ms - before.until_ms for before, after in pairwise(bursts)]


def _spread(values: list[int]) -> int:
    return max(values) - min(values)


def _spectra(windows: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return the power of each bin (25 Hz) in each window, as a share of that of a full-scale sine."""
    scaled = windows * _hann(windows.shape[1])
    return np.square(np.abs(np.fft.rfft(scaled))) / (windows.shape[1] * FULL_SCALE / 4) ** 2


@cache
def _hann(length: int) -> NDArray[np.float64]:
    return np.hanning(length + 1)[:-1]


def _frame_of(power: NDArray[np.float64]) -> _Frame:
    """Return the level in dB of a full-scale sine, and the one or two frequencies of a tone, if the frame is one."""
    bin_hz = 1000 / _WINDOW_MS
    offset = round(_MIN_HZ / bin_hz) - _LOBE
    band = power[offset : round(_MAX_HZ / bin_hz) + _LOBE + 1]
    total = float(band.sum())
    level_db = 10 * float(np.log10(max(total / 1.5, 1e-12)))  # 1.5: the noise bandwidth of the Hann window, in bins
    if level_db < _MIN_LEVEL_DB:
        return _Frame(level_db)
    first, share = _peak(band, total)
    if share >= _PURE:
        return _Frame(level_db, (_interpolated(band, first, offset) * bin_hz,), share)
    rest = band.copy()
    rest[max(first - _LOBE, 0) : first + _LOBE + 1] = 0
    second, second_share = _peak(rest, total)
    if share + second_share < _PURE or second_share < _MIN_SECOND:
        return _Frame(level_db)
    low, high = (_interpolated(band, peak, offset) * bin_hz for peak in sorted((first, second)))
    return _Frame(level_db, (low, high), share + second_share)


def _peak(band: NDArray[np.float64], total: float) -> tuple[int, float]:
    """Return the bin of the highest peak, and its share of the power."""
    peak = int(band.argmax())
    return peak, float(band[max(peak - _LOBE, 0) : peak + _LOBE + 1].sum()) / total


def _interpolated(band: NDArray[np.float64], peak: int, offset: int) -> float:
    """Return the place of a peak between the bins, by a parabola through the logarithms of its neighbours."""
    if not 0 < peak < len(band) - 1:
        return peak + offset
    before, at, after = np.log(np.maximum(band[peak - 1 : peak + 2], 1e-20))
    bend = before - 2 * at + after
    return peak + offset + (0.5 * float(before - after) / float(bend) if bend < 0 else 0.0)
