"""JSON values with something misplaced in them."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any


def mutants(value: Any, misplaced: Sequence[Any]) -> Iterator[Any]:
    """Yield the value with each part of it replaced by each misplaced value."""
    if isinstance(value, dict | list):
        keys: Any = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            for replacement in [*misplaced, *mutants(value[key], misplaced)]:
                mutant = copy.copy(value)
                mutant[key] = replacement
                yield mutant
