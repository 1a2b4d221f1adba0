"""Users who pause longer than the limit and go on: random conversations whose turns are ended too early."""

from random import Random

import pytest

from streamsrv.testing.early_end_invariants import early_ends
from streamsrv.testing.early_ends import early_end_scenario
from streamsrv.testing.invariants import check
from streamsrv.testing.simulator import simulate

BLOCK = 50


@pytest.mark.parametrize("first_seed", range(0, 2 * BLOCK, BLOCK))
def test_the_invariants_hold_in_conversations_with_early_ends(first_seed: int):
    _check_block(first_seed)


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(2 * BLOCK, 100 * BLOCK, BLOCK))
def test_the_invariants_hold_in_thousands_of_conversations_with_early_ends(first_seed: int):
    _check_block(first_seed)


def _check_block(first_seed: int) -> None:
    ended_early = 0
    for seed in range(first_seed, first_seed + BLOCK):
        record = simulate(early_end_scenario(Random(seed)))
        check(record)
        ended_early += sum(bool(end.false_replies) for end in early_ends(record))
    assert ended_early > BLOCK / 10  # otherwise the conversations show nothing
