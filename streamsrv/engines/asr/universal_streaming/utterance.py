"""One utterance on its way to AssemblyAI and back: the audio that may have to be sent again, and what was heard. Pure.

Times are in samples at 16 kHz since the first one pushed, unless they are named ms. The provider's times are ms since
the first sample of the connection, on which several utterances follow each other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import Transcript, Word
from streamsrv.engines.asr.universal_streaming.protocol import (
    MAX_FRAME_SAMPLES,
    MIN_FRAME_SAMPLES,
    SpokenWord,
    Turn,
    as_word,
)
from streamsrv.errors import EngineError
from streamsrv.text.words import join_words

_MS = SPEECH_RATE_HZ // 1000
_BYTES = 2
"""Bytes of a sample."""
_WORD_END_TOLERANCE_MS = 200
"""So much later than its `end` a word may really end. Speech up to there is not that of another word."""
_LONGEST_TAIL_MS = 1500
"""Uninterrupted speech after the end of the last word may be that word, or a noise, for so long."""
_LATE_MS = 50
"""A word that begins so long before the first sample of the utterance is one of the utterance before."""
_MIN_PAUSE_MS = 160
_SKIPPED_SILENCE_MS = 10_000
"""Silence that was sent, and in which no word was found, is not kept for longer."""
_KEPT_SILENCE_MS = 5_000


@dataclass(frozen=True, slots=True)
class Frame:
    """A binary message; `speech` of its samples belong to speech."""

    pcm: bytes
    speech: int


@dataclass(frozen=True, slots=True)
class _EndedTurn:
    text: str
    words: tuple[Word, ...]
    is_formatted: bool


class WireUtterance:
    """Keeps the audio that no ended turn covers, and makes transcripts of the turns.

    A connection may be lost at any time: `detach`, then `attach` to the next one, to which the kept audio is sent
    again. What was recognised of it by the old connection is dropped, but stays in the stable text, which was shown.
    `give` gets each new transcript, `fail` the error that ends the utterance. `language` (ISO 639-1) is expected:
    the provider names the language at the end of a turn.
    """

    def __init__(
        self,
        settings: Mapping[str, tuple[str, ...]],
        give: Callable[[Transcript], None],
        fail: Callable[[EngineError], None],
        language: str | None = None,
    ) -> None:
        self.settings = settings
        """The parameters of the connection that depend on the utterance."""
        self.fail = fail
        self.finished = False
        """No more audio comes."""
        self.dropped = False
        """Nobody wants the transcript; but what was sent must be answered before the next utterance is sent."""
        self._give = give
        self._pcm = bytearray()  # from `_covered` on
        self._covered = 0
        self._length = 0
        self._speech: list[tuple[int, int]] = []  # spans after `_covered`
        self._attached = False
        self._sent = 0
        self._sent_from = 0
        self._offset = 0  # from samples of the utterance to samples of the connection
        self._first_ms = 0.0  # of the connection, where its audio begins
        self._first_order = 0
        self._ended: dict[int, int] = {}  # of this connection, by `turn_order`
        self._turns: list[_EndedTurn] = []
        self._open: Turn | None = None
        self._stable = ""
        self._shown: dict[int, int] = {}  # words in the stable text by `turn_order` of this connection
        self._shown_until_ms = 0
        self._replayed_until_ms = 0  # words up to here are in the stable text, from an earlier connection
        self._heard_until = 0  # the end of the last word of an ended turn
        self.language = language
        self._end_of_turn: float | None = None

    @property
    def attached(self) -> bool:
        return self._attached

    @property
    def length(self) -> int:
        """Samples that were pushed."""
        return self._length

    @property
    def kept(self) -> int:
        """Samples in memory."""
        return len(self._pcm) // _BYTES

    @property
    def sent_any(self) -> bool:
        """Whether the connection has audio of it."""
        return self._attached and self._sent > self._sent_from

    @property
    def all_sent(self) -> bool:
        return self._sent >= self._length

    @property
    def is_open(self) -> bool:
        """Whether the provider has begun a turn and not ended it."""
        return self._open is not None

    @property
    def ended_turns(self) -> int:
        return len(self._turns)

    @property
    def is_formatted(self) -> bool:
        """Whether the formatted text of all turns has come."""
        return all(turn.is_formatted or not turn.text for turn in self._turns)

    @property
    def unended(self) -> int:
        """Samples that were sent after the last ended turn."""
        return self._sent - self._covered

    @property
    def in_pause(self) -> bool:
        """Whether the newest audio that was sent is no speech, and not only a moment of it."""
        return all(begin >= self._sent or end <= self._sent - _MIN_PAUSE_MS * _MS for begin, end in self._speech)

    def push(self, pcm: NDArray[np.int16], *, speech: bool) -> None:
        """Take mono PCM."""
        begin, self._length = self._length, self._length + len(pcm)
        self._pcm += pcm.astype("<i2", copy=False).tobytes()
        if speech and len(pcm):
            if self._speech and self._speech[-1][1] == begin:
                begin = self._speech.pop()[0]
            self._speech.append((begin, self._length))

    def drop(self) -> None:
        """Forget the audio that was not sent, and give no more transcripts."""
        self.finished = self.dropped = True
        del self._pcm[max(0, self._sent - self._covered) * _BYTES :]
        self._length = max(self._sent, self._covered)
        self._speech = [(begin, min(end, self._length)) for begin, end in self._speech if begin < self._length]

    def attach(self, connection_samples: int, first_order: int) -> None:
        """Begin to send on a connection that has so many samples, and whose next turn has the order `first_order`."""
        self._attached = True
        self._sent = self._sent_from = self._covered
        self._offset = connection_samples - self._covered
        self._first_ms = connection_samples / _MS
        self._first_order = first_order

    def detach(self) -> None:
        """The connection is lost: what it has recognised since the last ended turn is recognised again."""
        self._attached = False
        self._sent = self._covered
        self._open = None
        self._ended.clear()
        self._shown.clear()
        self._replayed_until_ms = self._shown_until_ms
        self._turns = [_EndedTurn(turn.text, turn.words, is_formatted=True) for turn in self._turns]

    def next_frame(self, max_samples: int) -> Frame | None:
        """Return the next audio to send, at most `max_samples` of it; the last frame is padded to the shortest one."""
        waiting = self._length - self._sent
        samples = min(waiting, MAX_FRAME_SAMPLES, max(max_samples, MIN_FRAME_SAMPLES))
        if waiting - samples < MIN_FRAME_SAMPLES and waiting <= MAX_FRAME_SAMPLES:
            samples = waiting
        if not samples or max_samples <= 0 or (samples < MIN_FRAME_SAMPLES and not self.finished):
            return None
        at = (self._sent - self._covered) * _BYTES
        pcm = bytes(self._pcm[at : at + samples * _BYTES]).ljust(MIN_FRAME_SAMPLES * _BYTES, b"\0")
        begin, self._sent = self._sent, self._sent + samples
        speech = sum(max(0, min(end, self._sent) - max(start, begin)) for start, end in self._speech)
        self._skip_silence()
        return Frame(pcm, speech)

    def take(self, turn: Turn) -> bool:
        """Take a message of the connection; return whether it is one of this utterance."""
        words = [word for word in turn.words if word.start >= self._first_ms - _LATE_MS]
        if turn.turn_order < self._first_order or (turn.words and not words):
            return False
        self.language = turn.language_code or self.language
        if self._open is not None and self._open.turn_order < turn.turn_order:
            self._end(self._open, [word for word in self._open.words if word.word_is_final])
        if turn.end_of_turn:
            self._end(turn, words)
        elif turn.turn_order not in self._ended:
            self._open = turn
        else:
            return True
        self._show(turn.turn_order, [word for word in words if word.word_is_final or turn.end_of_turn])
        self._end_of_turn = turn.end_of_turn_confidence
        if not self.dropped:
            self._give(self._transcript(turn, words))
        return True

    def final(self) -> None:
        """Give the final transcript."""
        if not self.dropped:
            words = tuple(word for turn in self._turns for word in turn.words)
            text = join_words([turn.text for turn in self._turns])
            self._give(
                Transcript(
                    text,
                    words=words,
                    language=self.language,
                    is_final=True,
                    at_pause=True,
                    end_of_turn=self._end_of_turn,
                )
            )

    def speech_after_words(self, gap_ms: int = _WORD_END_TOLERANCE_MS) -> float:
        """Return how many ms of speech follow the last word of the ended turns, `gap_ms` after its end or later."""
        edge = self._heard_until + gap_ms * _MS if self._heard_until else 0
        tail = max(edge, self._heard_until + _LONGEST_TAIL_MS * _MS) if self._heard_until else 0
        beyond = ((begin if begin >= edge else max(begin, tail), end) for begin, end in self._speech)
        return sum(max(0, end - begin) for begin, end in beyond) / _MS

    def _end(self, turn: Turn, words: list[SpokenWord]) -> None:
        if self._open is not None and self._open.turn_order == turn.turn_order:
            self._open = None
        is_whole = len(words) == len(turn.words) and turn.transcript
        text = turn.transcript if is_whole else join_words([word.text for word in words])
        ended = _EndedTurn(text, tuple(self._as_word(word) for word in words), turn.turn_is_formatted)
        index = self._ended.get(turn.turn_order)
        if index is None:
            self._ended[turn.turn_order] = len(self._turns)
            self._turns.append(ended)
        elif ended.is_formatted or not self._turns[index].is_formatted:
            self._turns[index] = ended
        if ended.words:
            self._heard_until = max(self._heard_until, ended.words[-1].end_ms * _MS)
            self._cover(self._heard_until + _WORD_END_TOLERANCE_MS * _MS)

    def _cover(self, until: int) -> None:
        until = min(until, self._sent)
        if until > self._covered:
            del self._pcm[: (until - self._covered) * _BYTES]
            self._covered = until
            self._speech = [span for span in self._speech if span[1] > until]

    def _skip_silence(self) -> None:
        """Forget silence, so that a microphone that is on for hours costs no memory."""
        if self._open is not None:
            return
        speech = self._speech[0][0] if self._speech else self._length
        until = min(speech, self._sent) - _KEPT_SILENCE_MS * _MS
        if until - self._covered >= _SKIPPED_SILENCE_MS * _MS:
            self._cover(until)

    def _as_word(self, word: SpokenWord) -> Word:
        return as_word(word, -self._offset / _MS, self._length / _MS)

    def _is_replayed(self, word: Word) -> bool:
        return word.start_ms + word.end_ms <= 2 * self._replayed_until_ms

    def _show(self, order: int, final: list[SpokenWord]) -> None:
        """Append the final words of a turn to the stable text that are not in it."""
        shown = self._shown.get(order, 0)
        new = [self._as_word(word) for word in final[shown:]]
        self._shown[order] = max(shown, len(final))
        new = [word for word in new if not self._is_replayed(word)]
        if new:
            self._stable = join_words([self._stable, *(word.text for word in new)])
            self._shown_until_ms = max(self._shown_until_ms, new[-1].end_ms)

    def _transcript(self, turn: Turn, words: list[SpokenWord]) -> Transcript:
        all_words = [self._as_word(word) for word in words]
        tentative = [
            word.text
            for word, spoken in zip(all_words, words, strict=True)
            if not (spoken.word_is_final or self._is_replayed(word) or turn.end_of_turn)
        ]
        heard_until = max((word.end_ms for word in all_words), default=0) + _WORD_END_TOLERANCE_MS
        later = sum(max(0, end - max(begin, heard_until * _MS)) for begin, end in self._speech) / _MS
        at_pause = (turn.end_of_turn or turn.utterance != "") and later < _WORD_END_TOLERANCE_MS
        return Transcript(
            self._stable,
            join_words(tentative),
            language=self.language,
            at_pause=at_pause,
            end_of_turn=self._end_of_turn,
        )
