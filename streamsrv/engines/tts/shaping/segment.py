"""Shapes the speech of one segment while it comes. Pure: all methods compute a little, and none waits."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.resample import StreamResampler
from streamsrv.engines.tts.base import SpeechChunk, SpokenWord
from streamsrv.engines.tts.shaping.guards import (
    NoiseGuard,
    NothingSpoken,
    NotSpeech,
    checked_pcm,
    checked_rate,
    checked_words,
    longest_s,
)
from streamsrv.engines.tts.shaping.loudness import amplified
from streamsrv.engines.tts.silence import SilenceTrimmer, pause_after_ms

FADE_MS = 5
"""Duration of the fades at the ends of a segment, where a cut would click."""
_BLOCK_MS = 100
MIN_PIECE_MS = 20
"""Shortest audio that is handled: a synthesiser that gives single samples would keep the event loop busy."""
MAX_PAUSE_S = 3.0
"""Longest silence before and inside speech."""


class RawSpeech:
    """Checks what a synthesiser gives for one segment, and brings it to the rate `to_rate`.

    Raises `NotSpeech`, also for audio that is longer than the text can take.
    """

    def __init__(self, name: str, from_rate: object, to_rate: int, text: str, speed: float) -> None:
        self._name = name
        self._rate = checked_rate(name, from_rate)
        self._resampler = StreamResampler(self._rate, to_rate)
        self._guard = NoiseGuard(name, self._rate)
        self._longest_s = longest_s(text, speed)
        self._samples = 0
        self._small: list[NDArray[np.int16]] = []  # chunks that are too short alone
        self._small_samples = 0
        self._words_left = len(text)

    def checked_words(self, words: object) -> tuple[SpokenWord, ...]:
        """Return the words of a chunk. Raises `NotSpeech` if they are malformed, or more than the text can have."""
        checked = checked_words(self._name, words)
        self._words_left -= len(checked)
        if self._words_left < 0:
            raise NotSpeech(f"{self._name} told the times of more words than the text has.")
        return checked

    def pieces(self, pcm: object) -> Iterator[NDArray[np.int16]]:
        """Take a chunk. Yield audio in pieces of `MIN_PIECE_MS` to a second, so that the event loop is not held up."""
        samples = checked_pcm(self._name, pcm)
        if self._small_samples + len(samples) < self._rate * MIN_PIECE_MS // 1000:
            if len(samples):
                self._small.append(samples)
                self._small_samples += len(samples)
            return
        samples = self._with_small(samples)
        yield from (samples[start : start + self._rate] for start in range(0, len(samples), self._rate))

    def feed(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        """Take the next piece; return audio at `to_rate`, maybe none."""
        self._samples += len(pcm)
        if self._samples > self._longest_s * self._rate:
            raise NotSpeech(f"{self._name} gave {self._longest_s:.0f} s of audio for a text, and did not end.")
        return self._resampled(self._guard.feed(pcm))

    def finish(self) -> NDArray[np.int16]:
        """End the segment; return the rest. Raises `NothingSpoken` if there was no audio at all."""
        small = self.feed(self._with_small(np.zeros(0, np.int16)))
        if not self._samples:
            raise NothingSpoken(f"{self._name} gave no audio for this text.")
        rest = self._resampled(self._guard.finish())
        return np.concatenate([small, rest, self._resampler.process(np.zeros(0, np.int16), last=True)])

    def _with_small(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return the audio after the chunks that were too short."""
        small, self._small, self._small_samples = self._small, [], 0
        return np.concatenate([*small, samples]) if small else samples

    def _resampled(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        """Resample in blocks so short that the matrix library does not start threads, which a busy machine delays."""
        step = self._rate * _BLOCK_MS // 1000
        blocks = [self._resampler.process(pcm[start : start + step]) for start in range(0, len(pcm), step)]
        return blocks[0] if len(blocks) == 1 else np.concatenate([np.zeros(0, np.int16), *blocks])


class ShapedSegment:
    """Trims the silence of one segment, applies the gain, fades its ends, and keeps the times of words right.

    Raises `NotSpeech` at a silence that is too long.
    """

    def __init__(self, name: str, sample_rate: int, text: str, speed: float) -> None:
        self._name = name
        self._rate = sample_rate
        self._trimmer = SilenceTrimmer(sample_rate, keep_tail_ms=pause_after_ms(text))
        self._max_pause = round(MAX_PAUSE_S * sample_rate / min(speed, 1.0))
        self._fade = sample_rate * FADE_MS // 1000
        self._taken = self._passed = 0  # samples given to, and got from, the trimmer
        self._cut: int | None = None  # samples of silence that were cut before the first sound
        self._held = np.zeros(0, np.int16)  # the end of what was passed, which may have to fade out
        self._released = 0
        self._words: list[SpokenWord] = []  # whose audio is not released

    def feed(self, pcm: NDArray[np.int16], words: tuple[SpokenWord, ...], gain: float) -> SpeechChunk | None:
        """Take audio, and words with times from the first sample that the synthesiser gave; return what is ready."""
        self._words += words
        self._taken += len(pcm)
        speech = self._trimmer.feed(amplified(pcm, gain)) if pcm.size else pcm
        if self._cut is None and speech.size:
            self._cut = self._first_sound(speech)
            speech = self._faded_in(speech)
        self._passed += len(speech)
        if self._taken - (self._cut or 0) - self._passed > self._max_pause:
            what = "gave only silence" if self._cut is None else "fell silent"
            raise NotSpeech(f"{self._name} {what} for {self._max_pause / self._rate:.0f} s.")
        audio = np.concatenate([self._held, speech])
        ready = max(0, len(audio) - self._fade)
        self._held = audio[ready:]
        return self._chunk(audio[:ready], is_last=False)

    def finish(self) -> SpeechChunk | None:
        """End the segment; return its last audio and words. Raises `NotSpeech` if it was nothing but silence."""
        if self._cut is None:
            raise NotSpeech(f"{self._name} gave only silence.")
        ending = np.concatenate([self._held, self._trimmer.finish()])
        return self._chunk(faded_out(ending, self._fade), is_last=True)

    def _first_sound(self, speech: NDArray[np.int16]) -> int:
        """Return how many samples were cut before `speech`, the first that the trimmer passes on."""
        return self._taken - len(speech) - self._trimmer.held_samples

    def _faded_in(self, speech: NDArray[np.int16]) -> NDArray[np.int16]:
        length = min(self._fade, len(speech))
        ramp = np.linspace(0, 1, length, endpoint=False)
        return np.concatenate([(speech[:length] * ramp).astype(np.int16), speech[length:]])

    def _chunk(self, pcm: NDArray[np.int16], *, is_last: bool) -> SpeechChunk | None:
        self._released += len(pcm)
        until_ms = self._released * 1000 // self._rate
        offset_ms = (self._cut or 0) * 1000 // self._rate
        words: list[SpokenWord] = []
        while self._words and (is_last or self._words[0].end_ms - offset_ms <= until_ms):
            word = self._words.pop(0)
            start = min(max(word.start_ms - offset_ms, 0), until_ms)
            words.append(SpokenWord(word.text, start, min(max(word.end_ms - offset_ms, start), until_ms)))
        return SpeechChunk(pcm, tuple(words)) if pcm.size or words else None


def faded_out(pcm: NDArray[np.int16], samples: int) -> NDArray[np.int16]:
    """Return the audio with its last samples fading out."""
    length = min(samples, len(pcm))
    if not length:
        return pcm
    ramp = np.linspace(1, 0, length)
    return np.concatenate([pcm[: len(pcm) - length], (pcm[len(pcm) - length :] * ramp).astype(np.int16)])
