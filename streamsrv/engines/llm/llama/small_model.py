"""Makes a very small model usable in a conversation: shows it examples and cuts its repetitions. Pure."""

import re
from collections.abc import Iterable, Sequence

from streamsrv.engines.llm.base import Delta, Finished, Message, Reasoning, Text

STYLE = "You are a helpful voice assistant. Answer in one short sentence."
"""Instructions given to the model before those of the session."""
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
"""Turns shown to the model before the conversation, because it imitates examples better than it obeys instructions."""

_SENTENCE_END = re.compile(r"[.!?]+[\"')\]]*(?=\s)|\n|[。！？]")
_LETTER = re.compile(r"[^\W\d_]")
_MAX_PHRASE = 12
_LOOP_REPEATS, _LOOP_WORDS = 3, 8


def guided(messages: Sequence[Message]) -> list[Message]:
    """Return `STYLE`, the instructions and `EXAMPLES`, then the conversation, so that the beginning stays cached."""
    instructions = [message.content for message in messages if message.role == "system"]
    shown = [Message(role, text) for pair in EXAMPLES for role, text in zip(("user", "assistant"), pair, strict=True)]
    spoken = [message for message in messages if message.role != "system"]
    return [Message("system", " ".join([STYLE, *instructions])), *shown, *spoken]


class SpokenAnswer:
    """Passes on the part of an answer that is fit to be spoken.

    The first sentence passes as it comes. Later sentences pass only when they are complete, which causes no delay,
    because the first is still being spoken. So a repeated sentence, or one that the token limit cut off, ends the
    answer and is not spoken.
    """

    def __init__(self) -> None:
        self.ended = False
        """Whether the model repeats itself; nothing more passes then."""
        self._said: set[tuple[str, ...]] = set()
        self._sentence = ""
        self._passed = 0  # characters of _sentence that have passed

    def take(self, deltas: Iterable[Delta]) -> list[Delta]:
        """Take more of the answer; return the deltas that pass now. Only text is held back."""
        passed = [Text(self._feed(delta.text)) if isinstance(delta, Text) else delta for delta in deltas]
        return [delta for delta in passed if delta != Text("")]

    def close(self, deltas: Sequence[Delta]) -> list[Delta]:
        """Take the last deltas, which tell why the model stopped; return the deltas that still pass."""
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
    """Return the end of the first complete sentence with a letter in it (`1.` has none); 0 if there is none."""
    letter = _LETTER.search(text)
    end = letter and _SENTENCE_END.search(text, letter.end())
    return end.end() if end else 0


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _is_loop(words: list[str]) -> bool:
    """Whether `words` ends in repeats of a phrase: at least `_LOOP_REPEATS` of them and `_LOOP_WORDS` words in all."""
    for size in range(1, _MAX_PHRASE + 1):
        repeats = max(_LOOP_REPEATS, -(-_LOOP_WORDS // size))
        tail = words[-size * repeats :]
        if len(tail) == size * repeats and tail == tail[:size] * repeats:
            return True
    return False
