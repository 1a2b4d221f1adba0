"""Loops of a decoder: the same words again and again where there is no more speech. Pure."""

from collections.abc import Sequence

_MAX_PERIOD = 16
_SHORT_PERIOD = 4


def without_loop(tokens: list[int]) -> list[int] | None:
    """`tokens` with one of the phrases that repeat at their end, or None when they end in no loop.

    Nobody says a longer phrase three times over, but "no, no, no" is speech.
    """
    for period in range(1, _MAX_PERIOD + 1):
        rounds = 3 if period > _SHORT_PERIOD else 6
        if _repeated(tokens, period) >= period * (rounds - 1):
            return tokens[: len(tokens) - period * (rounds - 1)]
    return None


def cut_loop(tokens: list[int], *, ended: bool) -> list[int]:
    """The tokens of a whole hypothesis up to the end of its first loop's first round.

    One that has not `ended` by itself but reached its limit is suspicious: then two rounds at its end are a loop.
    """
    for count in range(2, len(tokens) + 1):
        if (cut := without_loop(tokens[:count])) is not None:
            return cut
    if ended or len(tokens) < 2:
        return tokens
    repeated, period = max((_repeated(tokens, period), period) for period in range(1, len(tokens) // 2 + 1))
    return tokens[: len(tokens) - repeated] if repeated >= period else tokens


def _repeated(tokens: Sequence[int], period: int) -> int:
    """How many tokens at the end are the same as those one period earlier."""
    count = 0
    while count + period < len(tokens) and tokens[-1 - count] == tokens[-1 - count - period]:
        count += 1
    return count
