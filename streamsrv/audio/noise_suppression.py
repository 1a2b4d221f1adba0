"""Suppresses the noise of a microphone with WebRTC's suppressor (webrtc-noise-gain, extra `speech`)."""

from importlib.util import find_spec
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ

PACKAGE = "webrtc_noise_gain"
MAX_LEVEL = 4
_FRAME_SAMPLES = SPEECH_RATE_HZ // 100
"""Samples that the suppressor takes at once: 10 ms."""


def is_installed() -> bool:
    """Whether noise can be suppressed."""
    return find_spec(PACKAGE) is not None


class NoiseSuppressor:
    """Suppresses the noise in one stream of mono PCM at 16 kHz. `level`: 1 (least) to `MAX_LEVEL`.

    What comes out is 6 ms late. Raises `ImportError` without the package.
    """

    def __init__(self, level: int) -> None:
        import webrtc_noise_gain

        self._processor = cast("Any", webrtc_noise_gain).AudioProcessor(0, level)  # 0: it leaves the gain as it is
        self._waiting: NDArray[np.int16] = np.zeros(0, np.int16)

    @property
    def waiting(self) -> int:
        """The number of samples that are held back until 10 ms are complete."""
        return len(self._waiting)

    def process(self, pcm: NDArray[np.int16], last: bool = False) -> NDArray[np.int16]:
        """Return the samples that are ready, with `last` also those that were held back: then as many as came in."""
        samples = np.concatenate([self._waiting, pcm])
        length = len(samples) if last else len(samples) - len(samples) % _FRAME_SAMPLES
        self._waiting = samples[length:]
        frames = np.pad(samples[:length], (0, -length % _FRAME_SAMPLES)).reshape(-1, _FRAME_SAMPLES)
        cleaned = b"".join([self._processor.Process10ms(frame.tobytes()).audio for frame in frames])
        return np.frombuffer(cleaned, np.int16)[:length]
