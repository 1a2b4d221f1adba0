"""Refuses audio that is no speech: not a number, silence, noise, or more than the text can take. Pure."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import FULL_SCALE, from_float
from streamsrv.engines.tts.base import SpokenWord
from streamsrv.errors import Unavailable

MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 192_000

_WINDOW_MS = 50
_BANDS = 16
_FLAT = 0.8
"""Ratio of the geometric to the arithmetic mean of the power in bands: that of white noise is nearly 1."""
_NOISY_LEVEL, _LOUD_LEVEL = 10 ** (-45 / 10), 10 ** (-12 / 10)  # power, where 1 is full scale
_MAX_NOISY_WINDOWS = 12
"""Longest noise in windows: fricatives are shorter."""
_MAX_LOUD_WINDOWS = 3
"""The same, for noise that is louder than any consonant."""

_MAX_WORD_MS = 86_400_000
_BASE_S = 5.0
_LETTER_S, _CAPITAL_S, _OTHER_S = 0.2, 0.5, 1.2
"""Longest time of a character, several times what speech takes. Capitals may be spelt, digits and signs read."""


class NotSpeech(Unavailable):
    """A synthesiser gave audio that is no speech."""


class NothingSpoken(Unavailable):
    """A synthesiser gave no audio for a text, which may be one that it cannot read."""


def checked_rate(name: str, rate: object) -> int:
    """Return the sample rate of a synthesiser; raises `NotSpeech` if it can be none."""
    if not isinstance(rate, int) or not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise NotSpeech(f"{name} states a sample rate of {rate!r} Hz; accepted: {MIN_RATE_HZ} to {MAX_RATE_HZ}.")
    return rate


def checked_pcm(name: str, pcm: Any) -> NDArray[np.int16]:
    """Return mono int16 audio, also for floats in -1..1; raises `NotSpeech` for anything else."""
    samples = np.asarray(pcm)
    if samples.ndim > 1 and samples.size == max(samples.shape, default=0):
        samples = samples.reshape(-1)
    if samples.ndim != 1:
        raise NotSpeech(f"{name} gave audio of the shape {samples.shape}, which is not mono.")
    if samples.dtype == np.int16:
        return samples
    if not np.issubdtype(samples.dtype, np.floating):
        raise NotSpeech(f"{name} gave audio of the type {samples.dtype}; accepted: int16.")
    if not np.isfinite(samples).all():
        raise NotSpeech(f"{name} gave audio that is not a number.")
    return from_float(samples.astype(np.float32))


def checked_words(name: str, words: Any) -> tuple[SpokenWord, ...]:
    """Return the words of a chunk; raises `NotSpeech` unless each has a text and times in ms."""
    if not isinstance(words, tuple):
        raise NotSpeech(f"{name} told words as {type(words).__name__}; accepted: a tuple.")
    checked: list[SpokenWord] = []
    for word in cast("tuple[Any, ...]", words):
        if not (isinstance(word, SpokenWord) and _is_time(word.start_ms) and _is_time(word.end_ms)):
            raise NotSpeech(f"{name} told a word without times that are whole ms.")
        if not isinstance(cast("Any", word.text), str):
            raise NotSpeech(f"{name} told a word that is no text.")
        checked.append(word)
    return tuple(checked)


def _is_time(value: object) -> bool:
    return isinstance(value, int) and abs(value) <= _MAX_WORD_MS


def longest_s(text: str, speed: float) -> float:
    """Return how many seconds of audio the text can take at most; what is longer does not end by itself."""
    total = sum(_longest_character_s(character) for character in text if not character.isspace())
    return _BASE_S + total / min(speed, 1.0)


def _longest_character_s(character: str) -> float:
    if not (character.isascii() and character.isalpha()):
        return _OTHER_S
    return _CAPITAL_S if character.isupper() else _LETTER_S


class NoiseGuard:
    """Passes speech on and raises `NotSpeech` at noise. It holds back what may be the beginning of a noise."""

    def __init__(self, name: str, sample_rate: int) -> None:
        self._name = name
        self._window = sample_rate * _WINDOW_MS // 1000
        self._pending: NDArray[np.int16] = np.zeros(0, np.int16)  # less than a window, or windows of what may be noise
        self._noisy = 0  # windows at the end that are noise
        self._loud = 0

    def feed(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        """Take audio; return the audio that is known to be no noise, maybe none."""
        before = self._noisy
        samples = np.concatenate([self._pending, pcm])
        count = samples.size // self._window - before
        if count <= 0:
            self._pending = samples
            return samples[:0]
        new = samples[before * self._window :][: count * self._window]
        is_noisy, is_loud = _judged(new.reshape(count, self._window))
        for noisy, loud in zip(is_noisy.tolist(), is_loud.tolist(), strict=True):
            self._noisy = self._noisy + 1 if noisy else 0
            self._loud = self._loud + 1 if loud else 0
            if self._noisy >= _MAX_NOISY_WINDOWS or self._loud >= _MAX_LOUD_WINDOWS:
                raise NotSpeech(f"{self._name} gave noise.")
        passed = (before + count - self._noisy) * self._window
        self._pending = samples[passed:]
        return samples[:passed]

    def finish(self) -> NDArray[np.int16]:
        """End the audio; return what was held back."""
        pending, self._pending = self._pending, np.zeros(0, np.int16)
        return pending


def _judged(windows: NDArray[np.int16]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which windows are noise, and which of them are loud. A level that does not move is noise, too."""
    samples = windows.astype(np.float32) / FULL_SCALE
    mean = samples.mean(axis=1, keepdims=True)
    spectra = np.abs(np.fft.rfft(samples - mean, axis=1)[:, 1:]) ** 2
    bands = spectra[:, : spectra.shape[1] // _BANDS * _BANDS].reshape(len(windows), _BANDS, -1).mean(axis=2) + 1e-12
    flatness = np.exp(np.log(bands).mean(axis=1)) / bands.mean(axis=1)
    power = (samples**2).mean(axis=1)
    is_stuck = (np.ptp(windows, axis=1) == 0) & (power > _NOISY_LEVEL)
    is_noisy = ((flatness > _FLAT) & (power > _NOISY_LEVEL)) | is_stuck
    return is_noisy, is_noisy & (power > _LOUD_LEVEL)
