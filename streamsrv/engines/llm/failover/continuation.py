"""Lets one model go on with the answer of another, from the words that were already given. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from streamsrv.engines.llm.base import ChatOptions, Message
from streamsrv.engines.llm.context.tokens import estimated_tokens

GO_ON = (
    "(Your answer was cut off. Go on with its very next word, in the same language, as if you had not stopped. If it "
    "stopped inside a word, begin with that whole word. Repeat nothing else, do not apologise, do not mention this.)"
)
"""What a model is asked after the words of the answer so far. A user's message: that is what every provider takes."""

MAX_REPEATED_WORDS = 60
"""Words at the end of an answer that a model may repeat and that are found; it may also begin the answer anew."""
MIN_PART = 4
"""Fewest letters of a word that counts as cut off if it is repeated alone: "a" begins too many other words."""
MIN_OUTPUT_TOKENS = 16
"""Tokens that a model gets at least to end an answer."""

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
"""A word, or one character of a script that has no spaces between words."""
_MARKS = re.compile(r"^[^\w]+|[^\w]+$")
_DOTS = re.compile(r"^\s*(?:\.{2,}|…)\s*")
_NUMBER = re.compile(r"\d[.,:]$")
_CLINGS_BEFORE = ".,;:!?…)]}”’»%。，、；：！？"
_CLINGS_AFTER = "([{“‘«-–/'’#$€£¥"


def to_continue(messages: Sequence[Message], said: str) -> list[Message]:
    """Return the messages that ask a model to go on after `said`, its own answer as far as it knows."""
    return [*messages, Message("assistant", said), Message("user", GO_ON)]


def begun_answer(messages: Sequence[Message]) -> list[Message] | None:
    """Return the messages up to the answer so far, for an engine whose models go on with a last message; None: no such.

    A small model understands that better than it understands being asked.
    """
    is_asked = len(messages) > 1 and messages[-1] == Message("user", GO_ON) and messages[-2].role == "assistant"
    return list(messages[:-1]) if is_asked else None


def shortened(options: ChatOptions, said: str) -> ChatOptions:
    """Return the options of the rest of an answer: what was said counts towards its limit."""
    if options.max_output_tokens is None:
        return options
    left = options.max_output_tokens - estimated_tokens([Message("assistant", said)])
    return replace(options, max_output_tokens=max(left, min(MIN_OUTPUT_TOKENS, options.max_output_tokens)))


@dataclass(frozen=True, slots=True)
class _Word:
    core: str
    """In lower case, without the marks around it."""
    core_end: int
    end: int
    """Where it and the marks after it end in the text."""


class Joint:
    """Joins the text of another model to `said`: what it repeats of `said` is left out, and a missing space is added.

    Text is held back only as long as it may still be a repetition.
    """

    def __init__(self, said: str) -> None:
        words = _words(said)
        self._said = said
        self._cores = [word.core for word in words]
        first = max(0, len(words) - MAX_REPEATED_WORDS)
        self._starts = [0, *range(max(first, 1), len(words))] if words else []
        """Indices of the words of `said` at which a repetition may begin that fits so far."""
        self._seen = 0  # complete words of the text that were compared
        self._repeated_until: int | None = None
        self._held = ""
        self._is_joined = not said

    def feed(self, text: str) -> str:
        """Take more text; return what goes on after `said`, as far as that is known."""
        if self._is_joined:
            return text
        self._held += text
        if not self._held.strip():
            return ""
        return self._join() if self._compare(is_all=False) else ""

    def close(self) -> str:
        """End the text; return what was held back."""
        if self._is_joined or not self._held.strip():
            return ""
        self._compare(is_all=True)
        return self._join()

    def _compare(self, *, is_all: bool) -> bool:
        """Compare the words that have come with those of `said`; return whether all is known about a repetition."""
        words = [word for word in _words(self._held) if word.core]
        complete = words if is_all else [word for word in words if word.end < len(self._held) or _is_ideograph(word)]
        for word in complete[self._seen :]:
            self._compare_word(word)
            self._seen += 1
        if len(words) > len(complete):
            return not any(self._may_become(words[-1].core, start) for start in self._starts)
        return not self._starts

    def _compare_word(self, word: _Word) -> None:
        remaining: list[int] = []
        for start in self._starts:
            index = start + self._seen
            is_last = index == len(self._cores) - 1
            if is_last and _completes(self._cores[index], word.core, is_certain=self._seen > 0):
                if self._repeated_until is None or not remaining:
                    self._repeated_until = self._end_of_repetition(word)
                break  # later starts are shorter repetitions
            if not is_last and self._cores[index] == word.core:
                remaining.append(start)
        self._starts = remaining

    def _end_of_repetition(self, word: _Word) -> int:
        """Return where the repetition ends in the held text; `word` is the last one of `said`, or completes it."""
        end = word.core_end - (len(word.core) - len(self._cores[-1]))
        marks = self._said.rstrip()[_words(self._said)[-1].core_end :]
        return end + (len(marks) if self._held.startswith(marks, end) else 0)

    def _may_become(self, part: str, start: int) -> bool:
        index = start + self._seen
        core = self._cores[index]
        return core.startswith(part) or (index == len(self._cores) - 1 and part.startswith(core))

    def _join(self) -> str:
        self._is_joined = True
        if self._repeated_until is not None:
            rest = self._held[self._repeated_until :]
            return rest.lstrip() if self._said[-1].isspace() else rest
        text = _DOTS.sub("", self._held)
        return _space_between(self._said, text) + (text.lstrip() if self._said[-1].isspace() else text)


def _words(text: str) -> list[_Word]:
    words: list[_Word] = []
    for match in _WORD.finditer(text):
        core = _MARKS.sub("", match[0])
        core_end = match.start() + match[0].find(core) + len(core)
        words.append(_Word(core.lower(), core_end, match.end()))
    while words and not words[-1].core:
        words.pop()
    return words


def _is_ideograph(word: _Word) -> bool:
    return len(word.core) == 1 and _WORD.fullmatch(word.core + "a") is None


def _completes(last: str, word: str, *, is_certain: bool) -> bool:
    """Whether a word is the last one of what was said, or the whole of it if that was cut off.

    `is_certain`: the words before it are the same.
    """
    return word == last or ((is_certain or len(last) >= MIN_PART) and word.startswith(last))


def _space_between(said: str, text: str) -> str:
    if not text or said[-1].isspace() or text[0].isspace():
        return ""
    if _NUMBER.search(said) and text[0].isdigit():
        return ""
    if text[0] in _CLINGS_BEFORE or said[-1] in _CLINGS_AFTER or _is_wide(said[-1]) or _is_wide(text[0]):
        return ""
    return " "


def _is_wide(character: str) -> bool:
    return _WORD.fullmatch(character + "a") is None
