"""Cuts an answer into short speakable texts, each given to the synthesiser at once. Pure.

Numbers, symbols and abbreviations grow when they are read out. So the bound is on the text that a voice gets: what is
too long is cut again, if need be in the middle of a word.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from streamsrv.core.answers.reply_language import ExpectedLanguage, ReplyLanguage
from streamsrv.core.answers.segmenter import Segment, Segmenter, breaks_number
from streamsrv.engines.tts.base import SpeechOptions
from streamsrv.text.cutting import cut_before
from streamsrv.text.speakable import spoken_text
from streamsrv.text.spoken_text import SpokenText
from streamsrv.text.voice_marks import read_with_marks

MAX_SPOKEN = 400
"""Characters given to the synthesiser at once."""

MAX_PIECE = 200
"""Characters cut at once, because cutting takes time: a server may give a whole long answer at once."""


@dataclass(frozen=True, slots=True)
class SpokenSegment:
    """A piece of the answer with the whitespace after it, and what is said for it."""

    speech: SpokenText
    ends_sentence: bool
    language: str = "en"
    """ISO 639-1 code of the language in which it is said."""

    @property
    def text(self) -> str:
        return self.speech.written

    @property
    def spoken(self) -> str:
        """The speakable text; empty if there is nothing to speak."""
        return self.speech.spoken

    def options(self, speech: SpeechOptions) -> SpeechOptions:
        """Return the options with which it is spoken in a reply with these options."""
        return replace(speech, language=self.language)


class SpokenSegmenter:
    """Cuts one answer.

    The joined texts of all segments are the text fed, without its marks for the voice (`text.voice_marks`).

    `language`: that of all segments (ISO 639-1 code), or what finds that of each. `speed`: of the voice; what is spoken
    slowly is cut shorter, so that no segment is longer than one of `MAX_SPOKEN` at the usual pace.
    """

    def __init__(self, language: ReplyLanguage | str, speed: float = 1.0) -> None:
        self._max_spoken = round(MAX_SPOKEN * min(1.0, speed))
        self._language = ReplyLanguage(ExpectedLanguage(language)) if isinstance(language, str) else language
        self._segmenter = Segmenter(self._language.current)
        self._in_number = False  # what was cut last goes on with digits

    def feed(self, text: str) -> list[SpokenSegment]:
        """Take more of the answer; return the segments that are now certain."""
        return [spoken for segment in self._segmenter.feed(text) for spoken in self._speak(segment)]

    def finish(self) -> list[SpokenSegment]:
        """End the answer: return the remaining segments."""
        return [spoken for segment in self._segmenter.finish() for spoken in self._speak(segment)]

    def _speak(self, segment: Segment) -> Iterator[SpokenSegment]:
        rest = segment.text
        language = self._language.of(rest)
        while rest:
            end, speech = self._fit(rest, language, segment.breaks_number)
            is_last = end == len(rest)
            self._in_number = segment.breaks_number if is_last else breaks_number(rest[:end], rest[end:])
            if speech.written:  # not only a mark
                yield SpokenSegment(speech, segment.ends_sentence and is_last, language)
            rest = rest[end:]

    def _fit(self, text: str, language: str, breaks_at_end: bool) -> tuple[int, SpokenText]:
        """The longest beginning of a text that is not too long when it is spoken, about; and how it is spoken."""
        end = len(text)
        while True:
            breaks = breaks_at_end if end == len(text) else breaks_number(text[:end], text[end:])
            speech = self._read(text[:end], language, breaks)
            if len(speech.spoken) <= self._max_spoken or end == 1:
                return end, speech
            end = cut_before(text, max(1, min(end - 1, end * self._max_spoken // len(speech.spoken))))

    def _read(self, text: str, language: str, breaks_at_end: bool) -> SpokenText:
        return read_with_marks(
            text,
            lambda part, is_first, is_last: spoken_text(
                part,
                language,
                starts_in_number=is_first and self._in_number,
                ends_in_number=is_last and breaks_at_end,
            ),
        )


def pieces(text: str) -> list[str]:
    """Return a text in pieces of at most `MAX_PIECE` characters."""
    return [text[start : start + MAX_PIECE] for start in range(0, len(text), MAX_PIECE)]
