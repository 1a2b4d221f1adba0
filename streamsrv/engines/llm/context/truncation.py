"""Leaves out the oldest turns of a conversation that is too long. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from streamsrv.engines.llm.base import Message
from streamsrv.engines.llm.context.turns import turn_starts

RETENTION_RATIO = 0.8
"""The share that is kept where the client names none. After each cut, the prompts of several turns begin alike, so that
they are found in the model's cache."""
CUT = " [... the rest is too long]"
"""Takes the place of the end of a function's result."""
MIN_RESULT = 200
"""Characters of a result that are never cut."""
SPARE_CHARACTERS = 60
"""Characters that are cut beyond what is needed, because a part of a text may have more tokens than its share."""


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
    latest turn alone is too long, its oldest function calls are left out, each with its results; at last the results of
    the newest calls are shortened.
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
    kept = list(messages[starts[oldest] :])
    if oldest == len(sizes) - 1 and held > limit:
        kept, held = _without_calls(messages, tokens, list(range(starts[oldest], len(messages))), limit)
    return Kept([*messages[:first], *kept], len(messages) - first - len(kept), held <= limit)


def instructions(messages: Sequence[Message]) -> int:
    """Return how many system messages the conversation begins with."""
    others = (index for index, message in enumerate(messages) if message.role != "system")
    return next(others, len(messages))


def _size_of_question(messages: Sequence[Message], tokens: Sequence[int], turn: range) -> int:
    """Return the tokens that a turn had when its first answer was asked for."""
    return sum(tokens[index] for index in takewhile(lambda index: messages[index].role == "user", turn))


def _without_calls(
    messages: Sequence[Message], tokens: Sequence[int], turn: list[int], limit: int
) -> tuple[list[Message], int]:
    """Leave out the oldest function calls of a turn, with their results, until it fits.

    The results of the newest calls are shortened instead: without them the model would call again. `turn` has the
    indices of its messages. Returns the messages that are left, and their tokens.
    """
    held = sum(tokens[index] for index in turn)
    groups = [_call_with_results(messages, turn[position:]) for position in range(len(turn))]
    groups = [group for group in groups if group]
    left_out: set[int] = set()
    for group in groups[:-1]:
        if held > limit:
            left_out.update(group)
            held -= sum(tokens[each] for each in group)
    left = {index: messages[index] for index in turn if index not in left_out}
    for index in groups[-1][1:] if groups else ():
        if held > limit:
            left[index], saved = _shortened(messages[index], tokens[index], held - limit)
            held -= saved
    return list(left.values()), held


def _call_with_results(messages: Sequence[Message], indices: Sequence[int]) -> list[int]:
    """Return the first index and those of its results, if it is that of a call; providers refuse one without them."""
    if not messages[indices[0]].tool_calls:
        return []
    return [indices[0], *takewhile(lambda index: messages[index].role == "tool", indices[1:])]


def _shortened(result: Message, tokens: int, surplus: int) -> tuple[Message, int]:
    """Cut about `surplus` of the tokens of a result; return it, and the tokens that were saved."""
    size = len(result.content)
    kept = max(int(size * (1 - surplus / tokens)) - SPARE_CHARACTERS, MIN_RESULT)
    if kept >= size:
        return result, 0
    return replace(result, content=result.content[:kept] + CUT), int(tokens * (size - kept - len(CUT)) / size)
