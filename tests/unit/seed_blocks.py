"""Random conversations by their seeds: a hundred of them in every run, thousands more in one with `-m slow`."""

import pytest

BLOCK = 50
"""Seeds of one test."""
hundred_seeds = pytest.mark.parametrize("first_seed", range(0, 2 * BLOCK, BLOCK))
thousands_of_seeds = pytest.mark.parametrize(
    "first_seed", [pytest.param(seed, marks=pytest.mark.slow) for seed in range(2 * BLOCK, 100 * BLOCK, BLOCK)]
)


def block(first_seed: int) -> range:
    return range(first_seed, first_seed + BLOCK)
