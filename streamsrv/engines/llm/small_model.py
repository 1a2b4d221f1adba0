"""What makes a model of some hundred million parameters bearable to talk with. Pure."""

import re
from collections.abc import Iterable, Sequence

from streamsrv.engines.llm.base import Delta, Finished, Message, Reasoning, Text

STYLE = "You are a helpful voice assistant. Answer in one short sentence."
EXAMPLES: tuple[tuple[str, str], ...] = (
    ("Hello!", "Hello! How can I help you?"),
    ("Who are you?", "I am a small voice assistant."),
    ("What is one plus one?", "One plus one is two."),
    ("What is the capital of Spain?", "The capital of Spain is Madrid."),
    ("My brother is called Tom.", "Tom is a nice name."),
    ("What is my brother called?", "Your brother is called Tom."),
    ("Why do birds sing?", "Birds sing to find a partner and to defend their home."),
    ("I feel great today.", "That is wonderful to hear!"),
    ("Thank you.", "You are welcome!"),
)
"""Shown to the model as earlier turns: it imitates far better than it obeys."""

_SENTENCE_END = re.compile(r"[.!?]+[\"')\]]*(?=\s)|\n|[。！？]")
_LETTER = re.compile(r"[^\W\d_]")
_MAX_PHRASE = 12
_LOOP_REPEATS, _LOOP_WORDS = 3, 8


def guided(messages: Sequence[Message]) -> list[Message]:
    """The conversation after `STYLE`, its own instructions and `EXAMPLES`, which come first and so stay cached."""
    instructions = [message.content for message in messages if message.role == "system"]
    shown = [Message(role, text) for pair in EXAMPLES for role, text in zip(("user", "assistant"), pair, strict=True)]
    spoken = [message for message in messages if message.role != "system"]
    return [Message("system", " ".join([STYLE, *instructions])), *shown, *spoken]


class SpokenAnswer:
    """Lets through the part of an answer that is fit to be spoken.

    The first sentence passes as it comes. Later ones pass only when whole, which nobody hears, because the first is
    still being spoken then; so a sentence said before ends the answer unheard, and so does one that the token limit
    cut off.
    """

    def __init__(self) -> None:
        self.ended = False
        """The model repeats itself: nothing more will pass."""
        self._said: set[tuple[str, ...]] = set()
        self._sentence = ""
        self._passed = 0  # characters of _sentence that were let through

    def take(self, deltas: Iterable[Delta]) -> list[Delta]:
        """Take more of the answer; returns what may pass now. Only text is ever held back."""
        passed = [Text(self._feed(delta.text)) if isinstance(delta, Text) else delta for delta in deltas]
        return [delta for delta in passed if delta != Text("")]

    def close(self, deltas: Sequence[Delta]) -> list[Delta]:
        """Take the last deltas, which tell why the model stopped; returns what may still pass."""
        passed = self.take(deltas)
        end = sum(isinstance(delta, Text | Reasoning) for delta in passed)
        text = self._finish(cut=Finished("max_output_tokens") in deltas)
        return [*passed[:end], *([Text(text)] if text else []), *passed[end:]]

    def _feed(self, text: str) -> str:
        if self.ended:
            return ""
        self._sentence += text
        ready = ""
        while (end := _first_sentence_end(self._sentence)) and not self.ended:
            rest = self._sentence[end:]
            self._sentence = self._sentence[:end]
            ready += self._pass_whole()
            self._sentence, self._passed = rest, 0
        if not self.ended and _is_loop(_words(self._sentence)):
            self.ended = True
        if not self.ended and not self._said:
            ready += self._pass_on()
        return ready

    def _finish(self, *, cut: bool) -> str:
        if self.ended or (cut and self._said):
            return ""
        return self._pass_whole()

    def _pass_whole(self) -> str:
        words = tuple(_words(self._sentence))
        if words in self._said:
            self.ended = True
            return ""
        if words:
            self._said.add(words)
        return self._pass_on()

    def _pass_on(self) -> str:
        ready = self._sentence[self._passed :]
        self._passed = len(self._sentence)
        return ready


def _first_sentence_end(text: str) -> int:
    """Where the first sentence ends that has a letter in it (so that `1.` is none); 0 if none is complete."""
    letter = _LETTER.search(text)
    end = letter and _SENTENCE_END.search(text, letter.end())
    return end.end() if end else 0


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _is_loop(words: list[str]) -> bool:
    """Whether `words` ends with one phrase three times in a row, or as often as makes eight words."""
    for size in range(1, _MAX_PHRASE + 1):
        repeats = max(_LOOP_REPEATS, -(-_LOOP_WORDS // size))
        tail = words[-size * repeats :]
        if len(tail) == size * repeats and tail == tail[:size] * repeats:
            return True
    return False
