"""Estimates the tokens of a conversation, and learns from what a provider counts. Pure."""

import json
from collections.abc import Sequence

from streamsrv.engines.llm.base import Message, Tool

FRAME_TOKENS = 8
"""Estimate of the tokens that a chat template adds to a message."""
IMAGE_TOKENS = 1600
"""Estimate of the tokens of a picture: about the most that providers count for one."""
_BYTES_PER_TOKEN = 3.0
"""At the beginning: fewer than in English, so that names, numbers and other languages fit, too."""
_MIN_BYTES_PER_TOKEN, _MAX_BYTES_PER_TOKEN = 1.0, 6.0
_LEARNING_RATE = 0.3
_MIN_LEARNT_BYTES = 1000
"""A shorter request says little, because what the chat template adds is a large part of it."""


def text_of(message: Message) -> str:
    """Return all that a model reads of a message as text."""
    return "".join([message.name, message.content, *(call.name + call.arguments for call in message.tool_calls)])


def text_of_tools(tools: Sequence[Tool]) -> str:
    """Return the definitions of functions as text, about as models read them."""
    return "".join(json.dumps([tool.name, tool.description, tool.parameters], default=str) for tool in tools)


class TokenEstimate:
    """Estimates the tokens of one model from the bytes of the text (UTF-8)."""

    def __init__(self) -> None:
        self.bytes_per_token = _BYTES_PER_TOKEN

    def text(self, text: str) -> int:
        """Return the tokens of a text."""
        return -int(-len(text.encode()) // self.bytes_per_token)

    def message(self, message: Message) -> int:
        """Return the tokens of a message with all that is around it."""
        return framed(message, self.text(text_of(message)))

    def learn(self, messages: Sequence[Message], tools: Sequence[Tool], input_tokens: int) -> None:
        """Learn from the tokens that the provider counted in a request. Pictures tell nothing about text."""
        if any(message.images for message in messages):
            return
        size = len("".join([*map(text_of, messages), text_of_tools(tools)]).encode())
        counted = input_tokens - FRAME_TOKENS * len(messages)
        if size < _MIN_LEARNT_BYTES or counted <= 0:
            return
        seen = min(max(size / counted, _MIN_BYTES_PER_TOKEN), _MAX_BYTES_PER_TOKEN)
        self.bytes_per_token += _LEARNING_RATE * (seen - self.bytes_per_token)


def estimated_tokens(messages: Sequence[Message]) -> int:
    """Estimate the tokens of messages for a model of which nothing is known, rather too high than too low."""
    return sum(map(TokenEstimate().message, messages))


def framed(message: Message, text_tokens: int) -> int:
    """Return the tokens of a message whose text has `text_tokens`."""
    return text_tokens + FRAME_TOKENS + IMAGE_TOKENS * len(message.images)
