"""Finds the turns of a conversation, and keeps the latest ones. Pure."""

from collections.abc import Sequence

from streamsrv.engines.llm.base import Message
from streamsrv.engines.llm.context.tokens import estimated_tokens


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
