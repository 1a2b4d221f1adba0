"""Fits a conversation into what a model can read. Pure."""

from collections.abc import Sequence

from streamsrv.engines.llm.base import Message

_BYTES_PER_TOKEN = 3
"""English has about four; three leaves room for names, numbers and other languages."""
_TOKENS_PER_MESSAGE = 8
"""What a chat template writes around a message."""


def last_turns(messages: Sequence[Message], turns: int, tokens: int) -> list[Message]:
    """The latest turn with at least `turns` and less than twice as many turns before it; system messages stay.

    A turn begins with a user message that follows anything else, but never between a function call and its result:
    providers refuse one without the other. Old turns leave `turns` at a time: in between, each
    prompt begins like the one before it, so that the model's cache holds all but its end. More of them leave, oldest
    first, until the rest has no more than about `tokens` tokens; the latest one never does.
    """
    starts = _turn_starts(messages)
    earlier = len(starts) - 1
    surplus = max(0, earlier // turns - 1) * turns if turns else earlier
    kept = list(messages)
    for start in starts[max(0, surplus) :]:
        kept = [message for message in messages[:start] if message.role == "system"] + list(messages[start:])
        if estimated_tokens(kept) <= tokens:
            break
    return kept


def _turn_starts(messages: Sequence[Message]) -> list[int]:
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
    """About how many tokens the messages are: rather too many than too few."""
    return sum(len(_written(message).encode()) // _BYTES_PER_TOKEN + _TOKENS_PER_MESSAGE for message in messages)


def _written(message: Message) -> str:
    return "".join([message.content, *(call.name + call.arguments for call in message.tool_calls)])


def answerable(messages: Sequence[Message]) -> list[Message]:
    """The messages, with a stand-in for the user's part if there is nothing to answer.

    A session may let the assistant speak first, or twice. Most chat templates, and Gemini, refuse a context without a
    user; llama.cpp and Ollama continue an assistant's message that comes last instead of beginning another.
    """
    if all(message.role == "system" for message in messages):
        return [*messages, Message("user", "Hello!")]
    if messages[-1].role == "assistant":
        return [*messages, Message("user", "(silence)")]
    return list(messages)
