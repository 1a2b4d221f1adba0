"""Makes SubRip and WebVTT subtitles, with lines of readable length. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from streamsrv.engines.asr.base import RecognizedUtterance, Word
from streamsrv.text.words import join_words

MAX_CHARACTERS = 84
"""Characters in one cue: two lines of the length that broadcasters allow."""
MAX_MS = 7000
"""Longest time for which a cue is shown."""
TRANSLATED = "[translated] "
"""What is put before a text that is a translation."""
SRT_TYPE = "application/x-subrip; charset=utf-8"

_SENTENCE_ENDS = tuple(".!?…。！？")
_CLAUSE_ENDS = tuple(",;:–—，、；：")


@dataclass(frozen=True, slots=True)
class Cue:
    """Text that is shown from `start_ms` to `end_ms` of the recording."""

    start_ms: int
    end_ms: int
    text: str
    speaker: str = ""
    """The name shown with the text; empty: none."""
    translated: bool = False
    """Whether the text is shown as a translation."""


def cues_of(utterances: Iterable[RecognizedUtterance]) -> list[Cue]:
    """Make one cue of each utterance, or several if it does not fit, cut after sentences, clauses or words."""
    return [cue for utterance in utterances for cue in _cues(utterance)]


def srt(cues: Sequence[Cue]) -> str:
    """Return the cues as SubRip. Characters that players would take for markup are replaced."""
    return "".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{_without_markup(spoken(cue))}\n\n"
        for number, cue in enumerate(cues, start=1)
    )


def vtt(cues: Sequence[Cue]) -> str:
    """Return the cues as WebVTT (https://www.w3.org/TR/webvtt1/)."""
    blocks = (f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{_voiced(cue)}\n\n" for cue in cues)
    return "WEBVTT\n\n" + "".join(blocks)


def spoken(cue: Cue) -> str:
    """Return the text of a cue on one line, after the name of its speaker."""
    return _one_line(f"{cue.speaker}: {_marked(cue)}" if cue.speaker else _marked(cue))


def _marked(cue: Cue) -> str:
    return f"{TRANSLATED}{cue.text}" if cue.translated else cue.text


def _voiced(cue: Cue) -> str:
    text = _escape(_one_line(_marked(cue)))
    return f"<v {_escape(_one_line(cue.speaker))}>{text}" if cue.speaker else text


def _cues(utterance: RecognizedUtterance) -> Iterator[Cue]:
    if not utterance.words:
        yield Cue(utterance.start_ms, utterance.end_ms, utterance.text)
    rest = utterance.words
    while rest:
        count = _fitting(rest)
        words, rest = rest[:count], rest[count:]
        yield Cue(words[0].start_ms, words[-1].end_ms, _text(words))


def _fitting(words: Sequence[Word]) -> int:
    """Return how many of the words fit in the next cue; at least one."""
    most = 1
    while most < len(words) and _fits(words[: most + 1]):
        most += 1
    if most == len(words):
        return most
    for ends in (_SENTENCE_ENDS, _CLAUSE_ENDS):
        for count in range(most, 0, -1):
            if words[count - 1].text.endswith(ends):
                return count
    return most


def _fits(words: Sequence[Word]) -> bool:
    return len(_text(words)) <= MAX_CHARACTERS and words[-1].end_ms - words[0].start_ms <= MAX_MS


def _text(words: Sequence[Word]) -> str:
    return join_words([word.text for word in words])


def _clock(ms: int, mark: str) -> str:
    seconds, milliseconds = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{mark}{milliseconds:03}"


def _one_line(text: str) -> str:
    """Join the lines, because an empty line would end the cue."""
    return " ".join(text.split())


def _without_markup(text: str) -> str:
    """Replace the characters that begin or end a tag, an arrow or a style override.

    SubRip has no escapes of its own, and most players show `&amp;` literally, so `&` is kept.
    """
    return text.replace("<", "&lt;").replace(">", "&gt;").replace("{", "(").replace("}", ")")


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
