"""Users who pause longer than the limit and go on: random conversations whose turns are ended too early."""

from random import Random

from seed_blocks import BLOCK, block, hundred_seeds, thousands_of_seeds
from streamsrv.testing.early_end_invariants import early_ends
from streamsrv.testing.early_ends import early_end_scenario
from streamsrv.testing.invariants import check
from streamsrv.testing.simulator import simulate


@hundred_seeds
def test_the_invariants_hold_in_conversations_with_early_ends(first_seed: int):
    _check_block(first_seed)


@thousands_of_seeds
def test_the_invariants_hold_in_thousands_of_conversations_with_early_ends(first_seed: int):
    _check_block(first_seed)


def _check_block(first_seed: int) -> None:
    ended_early = 0
    for seed in block(first_seed):
        record = simulate(early_end_scenario(Random(seed)))
        check(record)
        ended_early += sum(bool(end.false_replies) for end in early_ends(record))
    assert ended_early > BLOCK / 10  # otherwise the conversations show nothing
