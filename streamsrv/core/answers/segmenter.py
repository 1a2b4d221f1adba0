"""Cuts the text of an answer, as the model writes it, into segments to be spoken one by one. Pure.

The first segment is short, so that speech starts early; the others are whole sentences. A segment ends where whitespace
ends (or after a dash or a full-width mark, which need none), so numbers, times, addresses and ellipses stay whole. Only
what is too long is cut beside a number, or in the middle of a word.
"""

import re
from dataclasses import dataclass, replace

FIRST_CLAUSE_WORDS = 3
"""Fewest words of a first segment that ends at a clause mark."""
FIRST_PHRASE_WORDS = 6
"""Fewest words of a first segment that ends before a word that begins a phrase."""
MAX_FIRST_WORDS = 10
"""Most words of the first segment."""
LONG_CHARACTERS = 200
"""A sentence longer than this is cut at its last clause mark, and anywhere at twice this length."""
MAX_SOUND = 500
"""Longest sound (see `_sound`) of a segment: it is then cut anywhere, even at a number."""
MAX_FIRST_SOUND = 150
"""Longest sound (see `_sound`) of the first segment."""
MAX_WORD = 60
"""Characters of the longest word that is not cut, unless it is an address, of which little is spoken."""
MAX_ADDRESS = 2000
"""Characters of the longest address that is not cut."""
MIN_CLAUSE_CHARACTERS = 40
"""A long sentence is not cut at a clause mark that comes before this."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENGLISH = "en"
_PHRASE_STARTS = _words(
    """about after although and as at because before but by during for from if in into like of on or since so than that
    though through to until when where whether which while who with without"""
)
_CLINGING = _PHRASE_STARTS | _words(
    "a an the my your his her its our their this these those no not very hundred thousand million billion"
)
"""English words that belong to the next one: speech must not pause after them."""
_SENTENCE_STARTS = _words(
    """a also an and as at but everyone for he her here his how however i if in it its let meanwhile my no now on one
    our please she so some that the their then there these they this those today we what when where which while who why
    with yes yet you your"""
)
_TITLES = _words(
    """adm capt cf cmdr col dr e.g eg fr gen gov hon i.e ie lt messrs mr mrs ms mt pres prof rep rev sen sgt viz vs
    avv bijv bv bzw ca dhr dott dra ee env evtl exkl ggf godz hr ing inkl mevr np nr núm pag pág págs sig sog sra
    srta tj tzn ul vgl см ул"""
)
"""Abbreviations that never end a sentence, of English and of other languages."""
_ABBREVIATIONS = _words(
    """a.m approx ave blvd bros co corp dept ecc enz est etc ext ft inc itd itp jr ltd min p.m rd sr st str tel univ usw
    uu"""
)
"""Abbreviations that may end a sentence; it takes a typical first word after them to tell. (So do initials.)"""
_BEFORE_NUMBERS = _words(
    """apr art aug ca ch dec eq feb fig figs jan jul jun mar no nos nov oct p pp sec sep sept vol"""
)
"""Words with a full stop that are abbreviations when a number follows."""

_GERMAN_MONTHS = _words(
    """januar jan februar feb märz mär april apr mai juni jun juli jul august aug september sep sept oktober okt
    november nov dezember dez"""
)
_ORDINAL = re.compile(r"[0-9]{1,2}\.")
_GERMAN_ORDINAL = re.compile(
    r"\b(?:ab|am|beim|bis|das|dem|den|der|des|die|ihr|im|ins|jede[mnrs]?|seit|vom|zum|zur)\s+[0-9]{1,2}\.\s*\Z",
    re.IGNORECASE,
)
"""A full stop that makes an ordinal of a number, although a noun with a capital letter follows."""

_SENTENCE_MARKS = ".!?…。！？؟।"
_CLAUSE_MARKS = ",;:—–、，；：،؛"
_FULL_WIDTH_MARKS = "。！？、，；："
_CLOSERS = "\"'”’)]}»›*_`~」』）】"
_NEVER_FIRST = _SENTENCE_MARKS + _CLAUSE_MARKS + ")]}»›”’」』）】"
"""Characters that continue the word before them, even after whitespace (`. . .`, `Bonjour !`)."""
_NO_BREAK_SPACES = "\u00a0\u2007\u202f"
_CURRENCIES = "$€£¥₹"
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LIST_MARKER = re.compile(r"(?:[-*+•–>]|#{1,6}|\(?\d{1,3}[.)])")
_DOTTED = re.compile(r"(?:[^\W\d_]\.)+")
_LONG_SYMBOLS = "$€£¥₹₩%°+=&@#/<>"
_NUMBER_BEFORE = re.compile(r"[0-9][.,]?$")
_NUMBER_AFTER = re.compile(r"[0-9.,]")
_UNCLOSED_LINK = re.compile(r"\[[^\]]*$|\]\([^)]*$")
_FENCE = re.compile(r"\s*(?:```|~~~)[^`]*")


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the answer with the whitespace after it; `ends_sentence`: a sentence, line or block ends with it."""

    text: str
    ends_sentence: bool
    breaks_number: bool = False
    """The next segment begins with more digits of a number at the end of this one."""


@dataclass(slots=True)
class _Pending:
    """The complete words since the last cut: what may become the next segment."""

    text: str = ""
    words: int = 0
    sound: int = 0
    last: str = ""
    """The last word, without the whitespace after it."""
    last_in_line: bool = False
    """A line break follows the last word."""
    last_follows_mark: bool = True
    """The last word is the first, or the word before it ends with a mark: a number there counts the items of a list."""
    clause_end: int = 0
    """Length of the text up to its last clause mark, 0 if there is none (or too early)."""


class Segmenter:
    """Cuts one answer. The cuts depend on the text and `language`, not on how the text was divided into deltas.

    The text of all segments joined is the text fed, to the character. `language`: that in which the answer begins (ISO
    639-1 code); words that begin phrases and sentences are known of English only.
    """

    def __init__(self, language: str = _ENGLISH) -> None:
        self._is_in_english = language == _ENGLISH
        self._segments: list[Segment] = []
        self._pending = _Pending()
        self._word = ""
        self._space = ""
        self._is_first = True
        self._in_fence = False

    def feed(self, text: str) -> list[Segment]:
        """Take more of the answer; return the segments that are now certain."""
        for character in text:
            self._take(character)
        return self._take_segments()

    def finish(self) -> list[Segment]:
        """End the answer: return the remaining segments."""
        rest = self._pending.text + self._word + self._space
        self._pending, self._word, self._space = _Pending(), "", ""
        return [Segment(rest, ends_sentence=True)] if rest else []

    def _take_segments(self) -> list[Segment]:
        segments, self._segments = self._segments, []
        return segments

    def _take(self, character: str) -> None:
        binds = character in _NO_BREAK_SPACES and self._word and not self._space
        if character.isspace() and not binds:
            if self._word and not self._space:
                self._decide_before(self._word)
            if character == "\n":
                self._end_line()
            self._space += character
        else:
            if self._space or _ends_without_space(self._word, character):
                self._complete_word()
                self._decide_after(character)
            if len(self._word) >= MAX_WORD:
                self._break_word(character)
            self._word += character

    def _break_word(self, following: str) -> None:
        """Cut inside a word that is too long, unless it is code or an address."""
        is_address = len(self._word) < MAX_ADDRESS and ("://" in self._word or "](" in self._word)
        if self._in_fence or is_address:
            return
        whole = self._pending.text + self._word
        self._segments.append(Segment(whole, ends_sentence=False, breaks_number=breaks_number(whole, following)))
        self._pending, self._word, self._is_first = _Pending(), "", False

    def _end_line(self) -> None:
        line = (self._pending.text + self._word + self._space).rpartition("\n")[2]
        if _FENCE.fullmatch(line):
            self._in_fence = not self._in_fence

    def _complete_word(self) -> None:
        pending = self._pending
        pending.text += self._word + self._space
        if self._word:
            pending.last_follows_mark = not pending.words or bool(_mark(pending.last))
            pending.last_in_line = "\n" in self._space
            pending.last = self._word
            pending.words += _count_words(self._word)
            pending.sound += _sound(self._word)
        self._word = self._space = ""

    def _decide_after(self, following: str) -> None:
        """Cut after the pending words, or not, knowing one character of what follows: the earliest moment."""
        pending = self._pending
        if not pending.last or self._in_fence:
            return
        if pending.last_in_line:
            self._cut(ends_sentence=True)
        elif self._may_cut(following):
            first_is_ready = self._is_first and pending.words >= FIRST_CLAUSE_WORDS
            if _ends_sentence(pending.last, following):
                self._cut_sentence()
            elif _ends_clause(pending.last, following):
                if first_is_ready:
                    self._cut()
                elif len(pending.text) >= MIN_CLAUSE_CHARACTERS:
                    pending.clause_end = len(pending.text)
            self._shorten(following)

    def _decide_before(self, word: str) -> None:
        """Cut after the pending words, or not, knowing the whole word that follows."""
        pending = self._pending
        if not pending.last or pending.last_in_line or self._in_fence or not self._may_cut(word):
            return
        bare_word = word.rstrip(_CLOSERS + _CLAUSE_MARKS + _SENTENCE_MARKS).lower()
        if _ORDINAL.fullmatch(pending.last):
            if not (word[0].islower() or bare_word in _GERMAN_MONTHS or _GERMAN_ORDINAL.search(pending.text)):
                self._cut_sentence()
        elif _may_abbreviate(pending.last):
            is_short = self._is_first and pending.words < FIRST_CLAUSE_WORDS
            starts_sentence = (
                word[0].isupper() and self._is_english(bare_word, _SENTENCE_STARTS) and not _may_abbreviate(word)
            )
            if starts_sentence and not is_short and not _is_title(pending.last):
                self._cut(ends_sentence=True)
        elif self._is_first and pending.words >= FIRST_PHRASE_WORDS and self._is_english(bare_word, _PHRASE_STARTS):
            self._cut_phrase(word)

    def _may_cut(self, following: str) -> bool:
        pending = self._pending
        if following[0] in _NEVER_FIRST or (pending.last_follows_mark and _LIST_MARKER.fullmatch(pending.last)):
            return False
        return len(pending.text) > LONG_CHARACTERS or not _is_inside_markup(pending.text)

    def _shorten(self, following: str) -> None:
        """Cut what has become too long."""
        pending = self._pending
        if len(pending.text) > LONG_CHARACTERS and pending.clause_end:
            self._cut(at=pending.clause_end)
        elif pending.sound > (MAX_FIRST_SOUND if self._is_first else MAX_SOUND):
            self._cut()
        elif len(pending.text) > 2 * LONG_CHARACTERS or (self._is_first and pending.words >= MAX_FIRST_WORDS):
            self._cut_phrase(following)

    def _cut_sentence(self) -> None:
        if not self._is_first or self._pending.words >= FIRST_CLAUSE_WORDS:
            self._cut(ends_sentence=True)

    def _cut_phrase(self, following: str) -> None:
        """Cut where there is no mark, unless the words on both sides belong together."""
        last = self._pending.last
        clings = _may_abbreviate(last) or self._is_english(last.lower(), _CLINGING)
        if not (clings or _has_number(last) or _has_number(following)):
            self._cut()

    def _is_english(self, word: str, words: frozenset[str]) -> bool:
        return self._is_in_english and word in words

    def _cut(self, at: int | None = None, ends_sentence: bool = False) -> None:
        pending = self._pending
        end = len(pending.text) if at is None else at
        self._segments.append(Segment(pending.text[:end], ends_sentence))
        self._is_first = self._is_first and not pending.words
        rest = pending.text[end:]
        if rest:
            words = rest.split()
            self._pending = replace(pending, text=rest, words=len(words), sound=sum(map(_sound, words)), clause_end=0)
        else:
            self._pending = _Pending()


def breaks_number(before: str, after: str) -> bool:
    """Whether a cut between these texts is inside a number."""
    return _NUMBER_BEFORE.search(before) is not None and _NUMBER_AFTER.match(after) is not None


def _sound(word: str) -> int:
    """About how many letters a word has when it is read out."""
    return len(word) + 7 * sum(character.isdigit() or character in _LONG_SYMBOLS for character in word)


def _mark(word: str) -> str:
    """The punctuation mark at the end of a word, before closing quotes, brackets and markdown; else an empty string."""
    end = word.rstrip(_CLOSERS)[-1:]
    return end if end and end in _SENTENCE_MARKS + _CLAUSE_MARKS else ""


def _ends_sentence(word: str, following: str) -> bool:
    mark = _mark(word)
    if not mark or mark not in _SENTENCE_MARKS:
        return False
    if mark in _FULL_WIDTH_MARKS:
        return True
    is_ordinal = _ORDINAL.fullmatch(word) is not None  # or may be: the next word tells
    return not (
        following[0].islower() or is_ordinal or _may_abbreviate(word) or _abbreviates_before_number(word, following)
    )


def _ends_clause(word: str, following: str) -> bool:
    """A mark between two numbers belongs to them: `1, 2, 3`, `November 23, 2026`."""
    if not _mark(word) or _may_abbreviate(word) or _abbreviates_before_number(word, following):
        return False
    return not (_has_number(word) and (following[0].isdigit() or _ORDINAL.fullmatch(word)))


def _stem(word: str) -> str:
    """The word in lower case without quotes, brackets and its full stop."""
    return word.strip(_CLOSERS + "([{“‘«").removesuffix(".").lower()


def _may_abbreviate(word: str) -> bool:
    """Whether the full stop at the end of a word may belong to the word."""
    if _mark(word) != ".":
        return False
    stem = _stem(word)
    return stem in _TITLES or stem in _ABBREVIATIONS or _DOTTED.fullmatch(stem + ".") is not None


def _is_title(word: str) -> bool:
    return _stem(word) in _TITLES


def _abbreviates_before_number(word: str, following: str) -> bool:
    return following[0].isdigit() and _mark(word) == "." and _stem(word) in _BEFORE_NUMBERS


def _has_number(word: str) -> bool:
    return any(character.isdigit() or character in _CURRENCIES for character in word)


def _count_words(text: str) -> int:
    """Words by whitespace; two ideographs count as one word."""
    return len(_IDEOGRAPH.findall(text)) // 2 or int(any(character.isalnum() for character in text))


def _ends_without_space(word: str, following: str) -> bool:
    """Whether `word` is complete although no whitespace follows it."""
    if not word or following in _NEVER_FIRST + _CLOSERS + _NO_BREAK_SPACES:
        return False
    return word.endswith("—") or word.rstrip(_CLOSERS)[-1:] in tuple(_FULL_WIDTH_MARKS)


def _is_inside_markup(text: str) -> bool:
    """Whether `text` ends inside inline code or a link."""
    return text.count("`") % 2 == 1 or _UNCLOSED_LINK.search(text) is not None
