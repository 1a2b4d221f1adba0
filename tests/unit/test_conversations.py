"""Whatever people, networks and engines do, the invariants hold: random conversations through the session core.

To find the smallest conversation that goes wrong, run `python -m streamsrv.testing`.
"""

from collections.abc import Callable
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seed_blocks import block, hundred_seeds, thousands_of_seeds
from streamsrv.core.session import SessionCore
from streamsrv.protocol.session_object import Audio, AudioInput, SemanticVad, Session
from streamsrv.testing.invariants import check
from streamsrv.testing.player import PlayedItem
from streamsrv.testing.random_scenarios import random_scenario
from streamsrv.testing.scenario import MicrophoneTraits, Scenario
from streamsrv.testing.simulated_user import say
from streamsrv.testing.simulator import make_core, simulate

COUNTED = 20


@hundred_seeds
def test_the_invariants_hold_in_random_conversations(first_seed: int):
    _check_block(first_seed)


@thousands_of_seeds
def test_the_invariants_hold_in_thousands_of_random_conversations(first_seed: int):
    _check_block(first_seed)


def _check_block(first_seed: int) -> None:
    for seed in block(first_seed):
        check(simulate(random_scenario(Random(seed))))


def test_the_ledger_counts_the_audio_that_was_sent():
    compared = 0
    for seed in range(COUNTED):
        cores: list[SessionCore] = []

        def make(scenario: Scenario, new_id: Callable[[str], str], cores: list[SessionCore] = cores) -> SessionCore:
            cores.append(make_core(scenario, new_id))
            return cores[0]

        record = simulate(random_scenario(Random(seed)), make)
        for item_id, ledger in cores[0]._output._ledgers.items():
            assert ledger.sent_ms == record.played.get(item_id, PlayedItem()).received_ms, (seed, item_id)
            compared += 1
    assert compared > COUNTED / 2


def test_the_server_does_not_answer_its_own_echo():
    session = Session(id="s", expires_at=0, audio=Audio(input=AudioInput(turn_detection=SemanticVad())))
    echoing = MicrophoneTraits(echo=0.7, echo_is_understood=True)
    for seed in range(20):
        scenario = Scenario((say("what is the time"),), session=session, microphone=echoing, seed=seed)
        record = simulate(scenario)
        check(record)
        assert len(list(record.events("response.created"))) == 1, scenario


@given(random=st.randoms(use_true_random=False))
@settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_the_invariants_hold_in_conversations_that_shrink(random: Random):
    check(simulate(random_scenario(random)))
