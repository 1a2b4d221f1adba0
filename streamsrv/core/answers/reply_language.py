"""Decides in which language each segment of a reply is spoken. Pure.

The language decides how numbers are read out and which voice speaks. A voice that changes for a word is worse than a
word in the wrong accent. So a reply changes its language only for a segment of several words, none of which is needed
to tell the language; for another script it does at once, because the voice could not read that at all.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from streamsrv.engines.llm.base import Message
from streamsrv.text.language_detection import detect_language
from streamsrv.text.markdown import without_markdown
from streamsrv.text.traced import TracedText

MIN_WORDS = 3
"""Fewest words that tell another language than the one that is spoken."""
MIN_UNCAPITALIZED = 2
"""Fewest of these words that do not begin with a capital letter, as those of names and titles do."""
MAX_CHARACTERS = 400
"""Characters of a message that are looked at to find its language."""
_WORD = re.compile(r"[^\W\d_]+")
_JAPANESE_OR_CHINESE = frozenset({"CJK", "HIRAGANA", "KATAKANA", "FULLWIDTH"})
"""Scripts (first words of the names of characters) that one text mixes."""


@dataclass(frozen=True, slots=True)
class ExpectedLanguage:
    """The language in which a reply probably begins."""

    start: str = "en"
    """ISO 639-1 code."""
    among: frozenset[str] = frozenset()
    """The languages that there are voices for, and so those that segments may have; none or one: that never changes."""
    is_known: bool = True
    """Whether anything tells `start`: the client, or what was said before."""

    def after(self, messages: Sequence[Message]) -> "ExpectedLanguage":
        """Return what is expected after these messages: the language of the user's last one, or else of the reply's."""
        if self.is_known or len(self.among) < 2:
            return self
        for role in ("user", "assistant"):
            said = next((m.content for m in reversed(messages) if m.role == role and m.content), "")[:MAX_CHARACTERS]
            if _has_words(said, MIN_WORDS) or _script(said):
                return replace(self, start=detect_language(said, self.among, self.start), is_known=True)
        return self


ENGLISH = ExpectedLanguage()


class ReplyLanguage:
    """Follows the language of one reply."""

    def __init__(self, expected: ExpectedLanguage) -> None:
        self.current = expected.start
        self.is_told = expected.is_known or len(expected.among) > 1
        """Whether anything but the lack of voices tells the language."""
        self._among = expected.among
        self._is_open = not expected.is_known  # nothing tells the language, and nothing was said in it
        self._spoken_script: str | None = None

    def of(self, text: str) -> str:
        """Return the language of the next segment."""
        if len(self._among) < 2 or not _has_words(text, 1):
            return self.current
        text = without_markdown(TracedText(text)).text
        script = _script(text)
        seen = detect_language(text, self._among, self.current)
        if seen != self.current and self._is_certain(text, seen, script):
            self.current = seen
        if _has_words(text, 1):
            self._spoken_script, self._is_open = script, False
        return self.current

    def _is_certain(self, text: str, seen: str, script: str) -> bool:
        if script != ("" if self._spoken_script is None else self._spoken_script):
            return True
        if self._is_open:
            return _has_words(text, 2)
        words = _words(text)
        if not _has_words(text, MIN_WORDS) or sum(not word[0].isupper() for word in words) < MIN_UNCAPITALIZED:
            return False
        longest = max(words, key=len)
        return detect_language(text.replace(longest, " "), self._among, self.current) == seen


def _has_words(text: str, count: int) -> bool:
    """Whether a text has so many words; two characters of a script without spaces count as one."""
    return sum(max(1, len(word) // 2 if _script(word) in _JAPANESE_OR_CHINESE else 1) for word in _words(text)) >= count


def _words(text: str) -> list[str]:
    return _WORD.findall(text[:MAX_CHARACTERS])


def _script(text: str) -> str:
    """Return the script of most letters of a text; an empty string for Latin, and for none."""
    scripts = Counter(unicodedata.name(letter, "").partition(" ")[0] for word in _words(text) for letter in word)
    if not scripts:
        return ""
    name = scripts.most_common(1)[0][0]
    if name in _JAPANESE_OR_CHINESE:
        return "CJK"
    return "" if name == "LATIN" else name
