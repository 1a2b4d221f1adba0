"""Separates what a model thinks from what it says, where a server leaves the tags in the text. Pure."""

from streamsrv.engines.llm.base import Reasoning, Text

OPEN, CLOSE = "<think>", "</think>"


class ReasoningFilter:
    """Splits one streamed answer into `Text` and `Reasoning`; the tags may be cut anywhere between two deltas.

    `start_inside`: the chat template has already written `<think>` into the prompt, so that only `</think>` arrives
    (DeepSeek-R1, Qwen3-Thinking). White space before the first spoken word is dropped, and so is a `</think>` that
    closes nothing.
    """

    def __init__(self, *, start_inside: bool = False) -> None:
        self._inside = start_inside
        self._has_seen_tag = False
        self._held = ""
        self._spoke = False

    def start_outside(self) -> None:
        """The server says elsewhere what the model thinks, so the text is what it says."""
        if not self._has_seen_tag:
            self._inside = False

    def feed(self, text: str) -> list[Text | Reasoning]:
        """Take more of the answer; what may be the start of a tag is held back until it is clear."""
        self._held += text
        found: list[Text | Reasoning] = []
        while (tag := self._next_tag()) is not None:
            before, _, self._held = self._held.partition(tag)
            self._give(before, found)
            self._inside = tag == OPEN
            self._has_seen_tag = True
        kept = max(_overlap(self._held, tag) for tag in (OPEN, CLOSE))
        whole = len(self._held) - kept
        self._give(self._held[:whole], found)
        self._held = self._held[whole:]
        return found

    def close(self) -> list[Text | Reasoning]:
        """The answer is over: what was held back was no tag."""
        found: list[Text | Reasoning] = []
        self._give(self._held, found)
        self._held = ""
        return found

    def _next_tag(self) -> str | None:
        present = [tag for tag in (OPEN, CLOSE) if tag in self._held]
        return min(present, key=self._held.index, default=None)

    def _give(self, text: str, found: list[Text | Reasoning]) -> None:
        if self._inside:
            if text:
                found.append(Reasoning(text))
            return
        if not self._spoke:
            text = text.lstrip()
        if text:
            self._spoke = True
            found.append(Text(text))


def _overlap(text: str, tag: str) -> int:
    """How many characters at the end of `text` are a beginning of `tag`, but not all of it."""
    return next((size for size in range(min(len(text), len(tag) - 1), 0, -1) if tag.startswith(text[-size:])), 0)
