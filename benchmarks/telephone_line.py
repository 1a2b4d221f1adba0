"""A telephone line as a function: what a recording sounds like at 8 kHz, through G.711, with a line's noise and hum.

The pass band is that of an ordinary line, 300 to 3400 Hz (ITU-T G.712). Levels of noise and hum are in dB of full
scale, as in the network's digital audio. All noise is drawn with a fixed seed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.g711 import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw
from streamsrv.audio.pcm import FULL_SCALE, level_dbfs
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.audio.resample import StreamResampler

TELEPHONE_RATE_HZ = 8_000
LOW_HZ, HIGH_HZ = 300, 3_400
_TAPS = 401
SPEECH_DB = -20.0
"""Level of the speech of an ordinary call; recordings of a manifest differ by 30 dB."""

Pcm = NDArray[np.int16]
Companding = Literal["linear", "mu-law", "A-law"]


@dataclass(frozen=True, slots=True)
class Line:
    """What a line does to the audio of a caller, in this order."""

    speech_db: float | None = None
    """The level that speech is brought to; None: as it was recorded."""
    band_limited: bool = False
    """Whether only 300 to 3400 Hz pass."""
    noise_db: float | None = None
    """Level of white noise in the band."""
    hum_db: float | None = None
    """Level of mains hum: 50 Hz and its odd harmonics, which are not band-limited."""
    companding: Companding = "linear"
    loss: float = 0.0
    """Share of the packets of 20 ms that are lost, and are silence."""

    def carry(self, pcm: Pcm, seed: int = 0) -> Pcm:
        """Return audio at 16 kHz as it is at 8 kHz at the other end."""
        random = np.random.default_rng(seed)
        samples = narrow(pcm).astype(np.float64)
        if self.speech_db is not None:
            samples *= 10 ** ((self.speech_db - loud_level_db(samples)) / 20)
        if self.band_limited:
            samples = np.convolve(samples, _BAND_PASS, "same")
        if self.noise_db is not None:
            samples += noise(len(samples), self.noise_db, random)
        if self.hum_db is not None:
            samples += hum(len(samples), self.hum_db)
        carried = companded(clipped(samples), self.companding)
        for start in range(0, len(carried), TELEPHONE_RATE_HZ // 50) if self.loss else ():
            if random.random() < self.loss:
                carried[start : start + TELEPHONE_RATE_HZ // 50] = 0
        return carried


def narrow(pcm: Pcm) -> Pcm:
    """Bring 16 kHz to 8 kHz."""
    return StreamResampler(SPEECH_RATE_HZ, TELEPHONE_RATE_HZ).process(pcm, last=True)


def widen(pcm: Pcm) -> Pcm:
    """Bring 8 kHz to the 16 kHz of the models, as the server does."""
    return StreamResampler(TELEPHONE_RATE_HZ, SPEECH_RATE_HZ).process(pcm, last=True)


def noise(samples: int, level_db: float, random: np.random.Generator) -> NDArray[np.float64]:
    """Return noise in the pass band, at a level in dB of full scale."""
    white = np.convolve(random.standard_normal(samples + _TAPS), _BAND_PASS, "valid")[:samples]
    return white / max(float(np.sqrt(np.mean(white**2))), 1e-9) * FULL_SCALE * 10 ** (level_db / 20)


def hum(samples: int, level_db: float, mains_hz: int = 50) -> NDArray[np.float64]:
    """Return mains hum with its odd harmonics up to 1 kHz, each 3 dB softer than the one before."""
    seconds = np.arange(samples) / TELEPHONE_RATE_HZ
    harmonics = range(mains_hz, 1000, 2 * mains_hz)
    tones = [10 ** (-3 * n / 20) * np.sin(2 * np.pi * hz * seconds + n) for n, hz in enumerate(harmonics)]
    sum_ = np.sum(tones, axis=0)
    return sum_ / np.sqrt(np.mean(sum_**2)) * FULL_SCALE * 10 ** (level_db / 20)


def companded(pcm: Pcm, law: Companding) -> Pcm:
    """Encode and decode audio by G.711."""
    if law == "linear":
        return pcm
    code: Callable[[Pcm], Pcm] = {
        "mu-law": lambda pcm: decode_mulaw(encode_mulaw(pcm)),
        "A-law": lambda pcm: decode_alaw(encode_alaw(pcm)),
    }[law]
    return code(pcm)


def clipped(samples: NDArray[np.float64]) -> Pcm:
    return np.clip(np.rint(samples), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def loud_level_db(samples: NDArray[np.float64]) -> float:
    """Return the level of the loud half of the frames: that of the speech in a recording with pauses."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    powers = np.sort(np.mean(frames**2, axis=1))
    loud = powers[len(powers) // 2 :]
    if not len(loud) or not loud.any():
        return level_dbfs(clipped(samples))
    return float(10 * np.log10(np.mean(loud)) - 20 * np.log10(FULL_SCALE))


def _band_pass() -> NDArray[np.float64]:
    times = np.arange(_TAPS) - _TAPS // 2

    def low_pass(hz: int) -> NDArray[np.float64]:
        share = 2 * hz / TELEPHONE_RATE_HZ
        return share * np.sinc(share * times)

    return (low_pass(HIGH_HZ) - low_pass(LOW_HZ)) * np.kaiser(_TAPS, 7.0)


_BAND_PASS = _band_pass()
