"""Leaves out the oldest turns of a conversation that is too long. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from streamsrv.engines.llm.base import Message
from streamsrv.engines.llm.context.turns import turn_starts

RETENTION_RATIO = 0.8
"""The share that is kept where the client names none. After each cut, the prompts of several turns begin alike, so that
they are found in the model's cache."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of a conversation, and whether that fits."""

    messages: list[Message]
    left_out: int
    """How many messages are missing."""
    fits: bool


def truncate(messages: Sequence[Message], tokens: Sequence[int], limit: int, ratio: float = RETENTION_RATIO) -> Kept:
    """Leave out the oldest turns of a conversation with more than `limit` tokens, until `ratio` of them are left.

    `tokens` are those of each message. The instructions stay (see `instructions`), and count for nothing. What is
    left out depends on the conversation alone: it was cut each time that it grew beyond the limit, turn by turn. If the
    latest turn alone is too long, its oldest function calls are left out, each with its results.
    """
    first = instructions(messages)
    if first == len(messages):
        return Kept(list(messages), 0, fits=limit >= 0)
    starts = [first, *(start for start in turn_starts(messages) if start > first)]
    ends = [*starts[1:], len(messages)]
    sizes = [sum(tokens[start:end]) for start, end in zip(starts, ends, strict=True)]
    oldest, held = 0, 0
    for newest, size in enumerate(sizes):
        is_latest = newest == len(sizes) - 1
        asked = size if is_latest else _size_of_question(messages, tokens, range(starts[newest], ends[newest]))
        if held + asked > limit:
            while oldest < newest and held + asked > limit * ratio:
                held -= sizes[oldest]
                oldest += 1
        held += size
    kept = list(range(starts[oldest], len(messages)))
    if oldest == len(sizes) - 1 and held > limit:
        kept, held = _without_calls(messages, tokens, kept, limit)
    left_out = len(messages) - first - len(kept)
    return Kept([*messages[:first], *(messages[index] for index in kept)], left_out, held <= limit)


def instructions(messages: Sequence[Message]) -> int:
    """Return how many system messages the conversation begins with."""
    others = (index for index, message in enumerate(messages) if message.role != "system")
    return next(others, len(messages))


def _size_of_question(messages: Sequence[Message], tokens: Sequence[int], turn: range) -> int:
    """Return the tokens that a turn had when its first answer was asked for."""
    return sum(tokens[index] for index in takewhile(lambda index: messages[index].role == "user", turn))


def _without_calls(
    messages: Sequence[Message], tokens: Sequence[int], turn: list[int], limit: int
) -> tuple[list[int], int]:
    """Leave out the oldest function calls of a turn, with their results, until it fits.

    `turn` has the indices of its messages. Returns those that are left, and their tokens.
    """
    held = sum(tokens[index] for index in turn)
    left_out: set[int] = set()
    for position, index in enumerate(turn):
        if held <= limit:
            break
        if not messages[index].tool_calls:
            continue
        results = takewhile(lambda following: messages[following].role == "tool", turn[position + 1 :])
        group = [index, *results]  # providers refuse a call without its result
        left_out.update(group)
        held -= sum(tokens[each] for each in group)
    return [index for index in turn if index not in left_out], held
