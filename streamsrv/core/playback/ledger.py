"""The playback ledger: which words of a reply were heard. Pure: wall time comes in as ms of the driver's clock."""

from bisect import bisect_right
from dataclasses import dataclass

from streamsrv.engines.tts.base import SpokenWord
from streamsrv.text.word_timing import estimate_words

TYPICAL_MS_PER_CHARACTER = 65
"""Pace of speech, to place the words of a segment whose synthesis was cut off."""


@dataclass(frozen=True, slots=True)
class PlacedWord:
    """A word of the transcript: it is heard when playback passes `end_ms` of the item's audio."""

    text: str
    end_of_text: int
    """Offset in the transcript right after the word."""
    start_ms: int
    end_ms: int


class PlaybackLedger:
    """Keeps, for one spoken item, text and audio side by side.

    Audio is counted as sent; what of it was played is known from the client's reports, or, without reports, estimated
    by assuming that the client plays what it receives at once and in real time.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self.transcript = ""
        """Text of all segments whose audio began to be sent."""
        self.sent_ms = 0
        self.words: list[PlacedWord] = []
        self.truncated_ms: int | None = None
        """Where the client says that playback was cut off."""
        self.starts_ms = 0
        """Wall ms before which it is not played, because the client still plays what came before it."""
        self._stopped_ms: int | None = None
        self._cut_off = False
        self._segment_text = ""
        self._segment_start_ms = 0
        self._segment_words: list[SpokenWord] = []
        self._runs: list[tuple[int, int]] = []  # (wall ms, audio ms) where uninterrupted playback began
        self._reported_ms: int | None = None

    def begin_segment(self, text: str) -> None:
        """The audio of `text` comes next."""
        self._segment_text = text
        self._segment_start_ms = self.sent_ms
        self._segment_words = []
        self.transcript += text

    def send(self, duration_ms: int, now_ms: int, words: tuple[SpokenWord, ...] = ()) -> None:
        """`duration_ms` of the segment's audio goes out now; `words` (ms since the segment's start) are in it."""
        if now_ms >= self.play_until_ms:
            self._runs.append((max(now_ms, self.starts_ms), self.sent_ms))
        self.sent_ms += duration_ms
        self._segment_words.extend(words)

    def end_segment(self, *, complete: bool = True) -> list[PlacedWord]:
        """All of the segment's audio was sent, or (not complete) the rest never will be; return its words, placed."""
        text, start_ms = self._segment_text, self._segment_start_ms
        duration_ms = self.sent_ms - start_ms
        if not complete:
            self._cut_off = True
            duration_ms = max(duration_ms, round(TYPICAL_MS_PER_CHARACTER * len(text) / self._speed))
        spoken = self._segment_words or estimate_words(text, duration_ms)
        placed: list[PlacedWord] = []
        offset = len(self.transcript) - len(text)
        for word in spoken:
            found = self.transcript.find(word.text, offset)
            offset = found + len(word.text) if found >= 0 else offset
            placed.append(PlacedWord(word.text, offset, start_ms + word.start_ms, start_ms + word.end_ms))
        self.words += placed
        self._segment_text = ""
        return placed

    @property
    def in_segment(self) -> bool:
        return bool(self._segment_text)

    @property
    def play_until_ms(self) -> int:
        """Wall ms at which all audio sent so far will have been played."""
        if not self._runs:
            return 0
        wall_ms, audio_ms = self._runs[-1]
        until_ms = wall_ms + self.sent_ms - audio_ms
        return until_ms if self._stopped_ms is None else min(until_ms, self._stopped_ms)

    def stop(self, now_ms: int) -> None:
        """The client drops what it has not played yet."""
        self._stopped_ms = now_ms

    @property
    def stopped(self) -> bool:
        return self._stopped_ms is not None

    def postpone(self, held_ms: int) -> None:
        """Playback was held for so long: what was not played until then is played that much later."""
        self._runs = [(wall_ms + held_ms, audio_ms) for wall_ms, audio_ms in self._runs]
        self.starts_ms += held_ms

    def report(self, audio_ms: int, now_ms: int) -> None:
        """The client has played up to `audio_ms` by now, and is taken to go on from there."""
        self._reported_ms = min(audio_ms, self.sent_ms)
        self._runs = [(now_ms, self._reported_ms)]

    @property
    def reported(self) -> bool:
        """Whether the client said anything of how far it is."""
        return self._reported_ms is not None

    def played_ms(self, now_ms: int) -> int:
        """Audio played by now: as last reported, else estimated."""
        if self._reported_ms is not None:
            return self._reported_ms
        index = bisect_right(self._runs, now_ms, key=lambda run: run[0]) - 1
        if index < 0:
            return 0
        wall_ms, audio_ms = self._runs[index]
        end_ms = self._runs[index + 1][1] if index + 1 < len(self._runs) else self.sent_ms
        return min(audio_ms + now_ms - wall_ms, end_ms)

    def heard_text(self, audio_ms: int) -> str:
        """The transcript up to the last word that was completely played at `audio_ms`."""
        if audio_ms >= self.sent_ms and not self._cut_off:
            return self.transcript.rstrip()
        heard = [word for word in self.words if word.end_ms <= audio_ms]
        return self.transcript[: heard[-1].end_of_text] if heard else ""
