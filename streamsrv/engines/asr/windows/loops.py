"""Finds and cuts the loops of a decoder, which repeats words where there is no more speech. Pure."""

from collections.abc import Sequence

_MAX_PERIOD = 16
_SHORT_PERIOD = 4


def without_loop(tokens: list[int]) -> list[int] | None:
    """Return `tokens` with only one round of the loop at their end, or None if they do not end in a loop.

    A long phrase three times in a row is a loop, but "no, no, no" is speech.
    """
    for period in range(1, _MAX_PERIOD + 1):
        rounds = 3 if period > _SHORT_PERIOD else 6
        if _repeated(tokens, period) >= period * (rounds - 1):
            return tokens[: len(tokens) - period * (rounds - 1)]
    return None


def cut_loop(tokens: list[int], *, ended: bool) -> list[int]:
    """Return the tokens of a hypothesis up to the end of the first round of its first loop.

    `ended`: whether the decoder ended by itself. If it reached its limit instead, two rounds at the end are a loop.
    """
    for count in range(2, len(tokens) + 1):
        if (cut := without_loop(tokens[:count])) is not None:
            return cut
    if ended or len(tokens) < 2:
        return tokens
    repeated, period = max((_repeated(tokens, period), period) for period in range(1, len(tokens) // 2 + 1))
    return tokens[: len(tokens) - repeated] if repeated >= period else tokens


def _repeated(tokens: Sequence[int], period: int) -> int:
    """Return how many tokens at the end are the same as those one period earlier."""
    count = 0
    while count + period < len(tokens) and tokens[-1 - count] == tokens[-1 - count - period]:
        count += 1
    return count
