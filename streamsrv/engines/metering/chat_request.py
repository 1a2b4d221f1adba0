"""Counts what one request to a language model consumes, while it runs. Pure."""

import math
from collections.abc import Sequence

from streamsrv.engines.llm.base import Delta, Finished, Message, Reasoning, Text, Tool, ToolCallDelta, Usage
from streamsrv.engines.llm.context.tokens import text_of, text_of_tools
from streamsrv.engines.metering.base import Consumption, Unit

CHARACTERS_PER_TOKEN = 4
"""Of text in the Latin alphabet, in the tokenizers of the providers; other letters count as a token each."""
TOKENS_OF_IMAGE = 1000
"""An estimate: providers count some hundreds to some thousands, by the size."""
TOKENS_OF_MESSAGE = 4
"""What marks the beginning and the end of a message."""


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has."""
    ascii_characters = len(text.encode("ascii", "ignore"))
    return math.ceil(ascii_characters / CHARACTERS_PER_TOKEN) + len(text) - ascii_characters


class MeteredChat:
    """What a request to `model` has consumed so far: what the model says, else an estimate from the texts.

    A request that fails before the first delta is not charged for. One that is cancelled then is: its prompt was sent.
    """

    def __init__(self, model: str, messages: Sequence[Message], tools: Sequence[Tool]) -> None:
        self._model = model
        self._messages = messages
        self._tools = tools
        self._usage: Usage | None = None
        self._written = 0  # tokens, estimated
        self._has_begun = self._is_finished = self._has_failed = False

    @property
    def usage(self) -> Usage | None:
        """What the model said last; None: nothing yet."""
        return self._usage

    @property
    def is_finished(self) -> bool:
        return self._is_finished

    def take(self, delta: Delta) -> None:
        """Count a delta of the answer."""
        match delta:
            case Text() | Reasoning():
                self._written += estimated_tokens(delta.text)
            case ToolCallDelta():
                self._written += estimated_tokens(delta.name + delta.arguments)
            case Usage():
                self._usage = delta
            case Finished():
                self._is_finished = True
            case _:
                return  # not of the provider
        self._has_begun = True

    def fail(self) -> None:
        """The request has failed."""
        self._has_failed = True

    @property
    def consumption(self) -> Consumption | None:
        """What the request has consumed; None if it failed before the model answered."""
        if self._has_failed and not self._has_begun:
            return None
        usage = self._usage or Usage(self._prompt_tokens(), 0)
        written = usage.output_tokens if self._is_finished and self._usage else max(usage.output_tokens, self._written)
        cached = min(usage.cached_tokens, usage.input_tokens)
        cache_write = min(usage.cache_write_tokens, usage.input_tokens - cached)
        amounts: list[tuple[Unit, float]] = [
            ("input_tokens", usage.input_tokens - cached - cache_write),
            ("cached_tokens", cached),
            ("cache_write_tokens", cache_write),
            ("output_tokens", written),
        ]
        is_estimated = self._usage is None or not self._is_finished
        return Consumption("chat", self._model, tuple((unit, n) for unit, n in amounts if n), is_estimated)

    def _prompt_tokens(self) -> int:
        texts = [*map(text_of, self._messages), text_of_tools(self._tools)]
        images = sum(len(message.images) for message in self._messages)
        marks = TOKENS_OF_MESSAGE * len(self._messages)
        return sum(map(estimated_tokens, texts)) + marks + TOKENS_OF_IMAGE * images
