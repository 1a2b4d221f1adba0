"""Cuts the text of an answer, as the model writes it, into segments to be spoken one by one. Pure.

The first segment is short, so that speech starts early; the others are whole sentences. A segment ends where whitespace
ends (or after a dash or a full-width mark, which need none), so numbers, times, addresses and ellipses stay whole.
"""

import re
from dataclasses import dataclass

FIRST_CLAUSE_WORDS = 3
"""The first segment ends at a clause mark from this many words on,"""
FIRST_PHRASE_WORDS = 6
"""before a word that begins a phrase from this many on,"""
FIRST_MOST_WORDS = 10
"""and anywhere after this many."""
LONG_CHARACTERS = 200
"""A later sentence longer than this is cut at its last clause mark, and anywhere at twice this length."""
SHORTEST_CLAUSE_CHARACTERS = 40
"""A long sentence is not cut at a clause mark that comes before this."""

_PHRASE_STARTS = frozenset(
    """about after although and as at because before but by during for from if in into like of on or since so than that
    though through to until when where whether which while who with without""".split()
)
_CLINGING = _PHRASE_STARTS | frozenset("a an the my your his her its our their this these those no not very".split())
"""Words that belong to the next one: speech must not pause after them."""
_SENTENCE_STARTS = frozenset(
    """a also an and as at but everyone for he her here his how however i if in it its let meanwhile my no now on one our
    please she so some that the their then there these they this those today we what when where which while who why with
    yes yet you your""".split()
)
_TITLES = frozenset(
    """adm ave blvd capt cf cmdr col dr e.g eg fr ft gen gov hon i.e ie lt messrs mr mrs ms mt pres prof rep rev sen sgt
    st viz vs""".split()
)
"""Abbreviations that never end a sentence."""
_ABBREVIATIONS = frozenset("a.m approx bros co corp dept est etc ext inc jr ltd min p.m sr tel univ".split())
"""Abbreviations that may end a sentence; it takes a typical first word after them to tell."""
_BEFORE_NUMBERS = frozenset(
    """apr art aug ca ch dec eq feb fig figs jan jul jun mar no nos nov oct p pp sec sep sept vol""".split()
)
"""Abbreviations only when a number follows."""

_SENTENCE_MARKS = ".!?…。！？؟।"
_CLAUSE_MARKS = ",;:—–、，；：،؛"
_CLOSERS = "\"'”’)]}»›*_`~」』）】"
_FULL_WIDTH_MARKS = "。！？、，；："
_NO_BREAK_SPACES = "\u00a0\u2007\u202f\u2060"
_DASH = "—"
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LIST_MARKER = re.compile(r"(?:[-*+•–]|#{1,6}|\(?\d{1,3}[.)]|>)$")
_DOTTED = re.compile(r"(?:[A-Za-z]\.)+$")
_UNCLOSED_LINK = re.compile(r"\[[^\]]*$|\]\([^)]*$")
_FENCE = re.compile(r"\s*(?:```|~~~)[^`]*$")


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the answer with the whitespace after it; `ends_sentence`: a sentence, line or block ends with it."""

    text: str
    ends_sentence: bool


@dataclass(slots=True)
class _Pending:
    """The words since the last cut that are complete: what would be the next segment."""

    text: str = ""
    words: int = 0
    last: str = ""
    """The last word, without whitespace."""
    last_in_line: bool = False
    """A line break follows the last word."""
    follows_mark: bool = True
    """The last word is the first, or the one before it ends with a mark: a number there counts a list's items."""
    clause_end: int = 0
    """Length of the text up to its last clause mark that is far enough from its start, else 0."""


class Segmenter:
    """Cuts one answer. The cuts depend on the text alone, not on how it was divided into deltas.

    The text of all segments joined is the text fed, to the character.
    """

    def __init__(self) -> None:
        self._pending = _Pending()
        self._word = ""
        self._space = ""
        self._is_first = True
        self._line = ""
        self._in_fence = False

    def feed(self, text: str) -> list[Segment]:
        """Take more of the answer; return the segments that are now certain."""
        segments: list[Segment] = []
        for character in text:
            self._take(character, segments)
        return segments

    def finish(self) -> list[Segment]:
        """The answer is complete: return what is left of it, and be ready for another."""
        rest = self._pending.text + self._word + self._space
        self.__init__()
        return [Segment(rest, ends_sentence=True)] if rest else []

    def _take(self, character: str, segments: list[Segment]) -> None:
        if _is_space(character):
            if self._word and not self._space:
                self._before_word(segments)
            self._space += character
            self._read_line(character)
            return
        if self._space or _ends_without_space(self._word, character):
            self._complete_word()
            self._after_word(character, segments)
        self._word += character
        self._line += character

    def _read_line(self, character: str) -> None:
        if character != "\n":
            self._line += character
            return
        if _FENCE.match(self._line):
            self._in_fence = not self._in_fence
        self._line = ""

    def _complete_word(self) -> None:
        """Move the word and its whitespace to the pending text."""
        pending = self._pending
        if self._word:
            pending.follows_mark = not pending.words or _mark(pending.last) != ""
            pending.last = self._word
            pending.words += _count_words(self._word)
        pending.last_in_line = "\n" in self._space
        pending.text += self._word + self._space
        self._word = self._space = ""

    def _after_word(self, following: str, segments: list[Segment]) -> None:
        """Decide on a cut after the pending text, knowing only the first character of the word that follows."""
        pending = self._pending
        if not pending.last or self._in_fence:
            return
        if pending.last_in_line:
            self._cut(segments, ends_sentence=True)
        elif not self._may_cut(following):
            return
        elif self._ends_sentence(following):
            if not self._is_first or pending.words >= FIRST_CLAUSE_WORDS:
                self._cut(segments, ends_sentence=True)
        elif self._ends_clause(following):
            if self._is_first and pending.words >= FIRST_CLAUSE_WORDS:
                self._cut(segments)
            elif len(pending.text) >= SHORTEST_CLAUSE_CHARACTERS:
                pending.clause_end = len(pending.text)
        self._shorten(following, segments)

    def _before_word(self, segments: list[Segment]) -> None:
        """Decide on a cut after the pending text, knowing the whole word that follows."""
        pending, word = self._pending, self._word.lower().strip(_CLOSERS + _CLAUSE_MARKS + _SENTENCE_MARKS)
        if not pending.last or pending.last_in_line or self._in_fence or not self._may_cut(self._word[0]):
            return
        if self._word[0].isupper() and word in _SENTENCE_STARTS and _may_abbreviate(pending.last):
            if not self._is_first or pending.words >= FIRST_CLAUSE_WORDS:
                self._cut(segments, ends_sentence=True)
        elif self._is_first and pending.words >= FIRST_PHRASE_WORDS and word in _PHRASE_STARTS:
            self._cut_in_phrase(self._word[0], segments)
