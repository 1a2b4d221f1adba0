"""Whatever people, networks and engines do, the invariants hold: random conversations through the session core.

To find the smallest conversation that goes wrong, run `python -m streamsrv.testing`.
"""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamsrv.testing.invariants import check
from streamsrv.testing.random_scenarios import random_scenario
from streamsrv.testing.simulator import simulate

BLOCK = 100


@pytest.mark.parametrize("first_seed", range(0, 1000, BLOCK))
def test_the_invariants_hold_in_random_conversations(first_seed: int):
    for seed in range(first_seed, first_seed + BLOCK):
        check(simulate(random_scenario(Random(seed))))


@given(random=st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_the_invariants_hold_in_conversations_that_shrink(random: Random):
    check(simulate(random_scenario(random)))
