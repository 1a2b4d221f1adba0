"""The playback ledger: tracks which words of a reply were heard. Pure: wall time is passed in, in ms."""

from array import array
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamsrv.core.playback.envelope import Envelope
from streamsrv.core.playback.word_placement import WrittenWord, find_words, place_words
from streamsrv.engines.tts.base import SpokenWord
from streamsrv.text.spoken_text import SpokenText, as_written, silent
from streamsrv.text.word_timing import estimate_words

TYPICAL_MS_PER_CHARACTER = 65
"""Pace of speech, to estimate the times of the words of a segment whose synthesis was cut off."""


@dataclass(frozen=True, slots=True)
class PlacedWord:
    """A word of the transcript. It has been heard once playback passes `end_ms` of the item's audio."""

    text: str
    end_of_text: int
    """Offset in the transcript right after the word."""
    start_ms: int
    end_ms: int


class PlaybackLedger:
    """Tracks which text of one spoken item belongs to which audio.

    Audio is counted as sent; what of it was played is known from the client's reports, or, without reports, estimated
    by assuming that the client plays what it receives at once and in real time. While playback is held its time stands
    still: runs are kept in wall ms less the time for which playback was held.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self.transcript = ""
        """The text of all segments whose audio has begun."""
        self.envelope = Envelope()
        """The loudness of the item's audio."""
        self._sent_ms = 0.0
        self.words: list[PlacedWord] = []
        self.words_are_estimates = False
        """Whether the times of the words of the segment that ended last are estimates."""
        self._word_ends = array("q")  # `end_ms` and `end_of_text` of each word: an item may be truncated much later
        self.truncated_ms: int | None = None
        """The position at which the client reported that playback was cut off."""
        self._starts_ms = 0
        self._stopped_ms: int | None = None
        self._held_since_ms: int | None = None
        self._held_ms = 0  # in total, until it was last resumed
        self._cut_off = False
        self._segment_text = ""
        self._speech = silent("")
        self._written_from = 0  # where what is written of the segment begins in the transcript
        self._segment_start_ms = 0
        self._segment_words: list[SpokenWord] = []
        self._runs: list[tuple[int, int]] = []  # (ms, audio ms) where uninterrupted playback began
        self._reported_ms: int | None = None

    @property
    def sent_ms(self) -> int:
        """The length of the audio sent so far."""
        return round(self._sent_ms)

    def begin_segment(self, text: str, speech: SpokenText | None = None) -> None:
        """Begin a segment: the next audio is that of `text`, its part of the transcript.

        `speech`: what is said for it, which may differ in whitespace at its ends; None: what is written.
        """
        self._segment_text = text
        self._speech = speech if speech is not None else as_written(text)
        written = self._speech.written
        stripped = text.find(written.strip())
        self._written_from = len(self.transcript) + stripped - (len(written) - len(written.lstrip()))
        self._segment_start_ms = self.sent_ms
        self._segment_words = []
        self.transcript += text

    def send(self, duration_ms: float, now_ms: int, words: tuple[SpokenWord, ...] = ()) -> None:
        """Record `duration_ms` of the segment's audio as sent, with `words` (ms from the segment's start) in it."""
        if self._at(now_ms) >= self._run_end_ms:
            self._runs.append((max(self._at(now_ms), self._starts_ms), self.sent_ms))
        self._sent_ms += duration_ms
        self._segment_words.extend(words)

    def end_segment(self, *, complete: bool = True) -> list[PlacedWord]:
        """End the segment, whose audio was all sent, or (not complete) was cut off; return its words with times."""
        text, start_ms = self._segment_text, self._segment_start_ms
        duration_ms = self.sent_ms - start_ms
        if not complete:
            self._cut_off = True
            duration_ms = max(duration_ms, round(TYPICAL_MS_PER_CHARACTER * len(text) / self._speed))
        placed = [
            PlacedWord(word.text, self._written_from + word.end, start_ms + word.start_ms, start_ms + word.end_ms)
            for word in self._written_words(duration_ms, complete=complete)
        ]
        self.words += placed
        for word in placed:
            self._word_ends.extend((word.end_ms, word.end_of_text))
        self._segment_text = ""
        return placed

    def _written_words(self, duration_ms: int, *, complete: bool) -> list[WrittenWord]:
        told = place_words(self._speech, self._segment_words, complete=complete)
        self.words_are_estimates = not told and (complete or not self._segment_words)
        if not self.words_are_estimates:
            return told
        return find_words(self._speech.written, estimate_words(self._speech, duration_ms))

    def break_segment_off(self) -> tuple[list[PlacedWord], str]:
        """End the segment, whose rest cannot be spoken; return its words that were spoken, with times, and the rest."""
        words_before, ends_before = len(self.words), len(self._word_ends)
        start = len(self.transcript) - len(self._segment_text)
        placed = self.end_segment(complete=False)
        spoken = [word for word in placed if word.end_ms <= self.sent_ms]
        self._cut_off = False  # the rest counts as text without audio
        del self.words[words_before + len(spoken) :]
        del self._word_ends[ends_before + 2 * len(spoken) :]
        return spoken, self.transcript[spoken[-1].end_of_text if spoken else start :]

    def add_unspoken(self, text: str) -> None:
        """Add text that has no audio. It counts as heard once all audio of the item was played."""
        self.transcript += text

    @property
    def in_segment(self) -> bool:
        return bool(self._segment_text)

    @property
    def play_until_ms(self) -> int:
        """The wall ms at which all audio sent so far is played, if a current hold ends at once."""
        if not self._runs:
            return 0
        until_ms = self._run_end_ms + self._held_ms
        return until_ms if self._stopped_ms is None else min(until_ms, self._stopped_ms)

    def stop(self, now_ms: int) -> None:
        """Record that the client drops the audio it has not played yet."""
        self._stopped_ms = now_ms

    @property
    def stopped(self) -> bool:
        return self._stopped_ms is not None

    def play_after(self, until_ms: int) -> None:
        """Start playback at this wall ms at the earliest, because the client plays another item until then."""
        self._starts_ms = until_ms - self._held_ms

    def hold(self, now_ms: int) -> None:
        """Record that playback is held."""
        self._held_since_ms = now_ms

    def resume(self, now_ms: int) -> None:
        """Record that playback continues from where it was held."""
        if self._held_since_ms is not None:
            self._held_ms += now_ms - self._held_since_ms
            self._held_since_ms = None

    def report(self, audio_ms: int, now_ms: int) -> None:
        """Record that the client has played up to `audio_ms` by now; the estimate continues from there."""
        self._reported_ms = min(audio_ms, self.sent_ms)
        self._runs = [(self._at(now_ms), self._reported_ms)]

    @property
    def reported(self) -> bool:
        """Whether the client has ever reported playback of the item."""
        return self._reported_ms is not None

    @property
    def is_unreported(self) -> bool:
        """Whether it has audio whose playback the client has not reported."""
        return self.sent_ms > 0 and not self.reported

    def played_ms(self, now_ms: int) -> int:
        """Return the audio played by now, as last reported, or else estimated."""
        if self._reported_ms is not None:
            return self._reported_ms
        return self._position(self._at(now_ms))

    def _position(self, at_ms: int) -> int:
        """Return the estimated position of playback, in the time of the runs."""
        index = bisect_right(self._runs, at_ms, key=lambda run: run[0]) - 1
        if index < 0:
            is_reported = self._reported_ms is not None  # then it began before the only run that is left
            return max(0, self._runs[0][1] - (self._runs[0][0] - at_ms)) if is_reported else 0
        began_ms, audio_ms = self._runs[index]
        end_ms = self._runs[index + 1][1] if index + 1 < len(self._runs) else self.sent_ms
        return min(audio_ms + at_ms - began_ms, end_ms)

    def text_between(self, from_ms: int, until_ms: int, margin_ms: int) -> str:
        """Return the words that may have been played between these wall times, with an error of up to `margin_ms`."""
        if self._held_since_ms is not None and self._position(self._at(until_ms)) == 0:
            return ""  # held before its first sound
        first_ms = self._position(self._at(from_ms) - margin_ms)
        last_ms = self._position(self._at(until_ms) + margin_ms)
        texts = [word.text for word in self.words if word.end_ms > first_ms and word.start_ms < last_ms]
        if self._segment_text and last_ms > self._segment_start_ms:
            texts.append(self._segment_text)  # its words have no times before all of its audio is sent
        return " ".join(texts)

    def levels_before(self, until_ms: int, duration_ms: int) -> NDArray[np.float64]:
        """Return the levels (dB by frame) of the last `duration_ms` played before `until_ms` (wall ms)."""
        last_ms = self._position(self._at(until_ms))
        return self.envelope.between(last_ms - duration_ms, last_ms)

    def heard_text(self, audio_ms: int) -> str:
        """Return the transcript up to the last word that was completely played at `audio_ms`."""
        if audio_ms >= self.sent_ms and not self._cut_off:
            return self.transcript.rstrip()
        ends = zip(self._word_ends[::2], self._word_ends[1::2], strict=True)
        heard = [end_of_text for end_ms, end_of_text in ends if end_ms <= audio_ms]
        return self.transcript[: heard[-1]] if heard else ""

    def fall_silent(self) -> None:
        """Drop what is only needed while the item, or an echo of it, may be heard: the words and the loudness."""
        self.words = []
        self.envelope = Envelope()

    def _at(self, now_ms: int) -> int:
        """Convert wall ms to the time of the runs."""
        return (now_ms if self._held_since_ms is None else self._held_since_ms) - self._held_ms

    @property
    def _run_end_ms(self) -> int:
        """The end of playback of all audio sent so far, in the time of the runs."""
        began_ms, audio_ms = self._runs[-1] if self._runs else (0, self.sent_ms)
        return began_ms + self.sent_ms - audio_ms
