"""Fits a conversation into the context of a model. Pure."""

from collections.abc import Sequence

from streamsrv.engines.llm.base import Message

_BYTES_PER_TOKEN = 3
"""Estimate of the UTF-8 bytes in a token: low, because names, numbers and other languages have fewer than English."""
_TOKENS_PER_MESSAGE = 8
"""Estimate of the tokens that a chat template adds to a message."""


def last_turns(messages: Sequence[Message], turns: int, tokens: int) -> list[Message]:
    """Return the latest turn, from `turns` up to twice as many turns before it, and all system messages.

    A turn begins with a user message after a message of another role, but never between a function call and its result,
    because providers refuse one without the other. Old turns are dropped `turns` at a time. In between, each prompt
    begins like the one before it, so that the model's cache holds all but its end. Further turns are dropped, oldest
    first, until about `tokens` tokens are left. The latest turn is always kept.
    """
    starts = turn_starts(messages)
    earlier = len(starts) - 1
    surplus = max(0, earlier // turns - 1) * turns if turns else earlier
    kept = list(messages)
    for start in starts[max(0, surplus) :]:
        kept = [message for message in messages[:start] if message.role == "system"] + list(messages[start:])
        if estimated_tokens(kept) <= tokens:
            break
    return kept


def turn_starts(messages: Sequence[Message]) -> list[int]:
    """Return the index of the message that each turn begins with; see `last_turns`."""
    last_result = {message.call_id: index for index, message in enumerate(messages) if message.role == "tool"}
    starts: list[int] = []
    unanswered_until = -1  # index of the last result of the calls so far
    for index, message in enumerate(messages):
        follows_other = index == 0 or messages[index - 1].role != "user"
        if message.role == "user" and follows_other and index > unanswered_until:
            starts.append(index)
        unanswered_until = max([unanswered_until, *(last_result.get(call.call_id, -1) for call in message.tool_calls)])
    return starts


def estimated_tokens(messages: Sequence[Message]) -> int:
    """Estimate the number of tokens in the messages, rather too high than too low."""
    return sum(len(_written(message).encode()) // _BYTES_PER_TOKEN + _TOKENS_PER_MESSAGE for message in messages)


def _written(message: Message) -> str:
    return "".join([message.content, *(call.name + call.arguments for call in message.tool_calls)])


def answerable(messages: Sequence[Message]) -> list[Message]:
    """Return the messages, with a placeholder user message at the end if there is nothing to answer.

    A session may let the assistant speak first, or twice in a row. Most chat templates, and Gemini, refuse a context
    without a user message. llama.cpp and Ollama continue a last message of the assistant instead of starting a new one.
    """
    if all(message.role == "system" for message in messages):
        return [*messages, Message("user", "Hello!")]
    if messages[-1].role == "assistant":
        return [*messages, Message("user", "(silence)")]
    return list(messages)
