"""`python -m streamsrv.testing`: random conversations, their speed, and the smallest one that goes wrong."""

import argparse
import time
from random import Random

from streamsrv.testing.invariants import InvariantBroken, check
from streamsrv.testing.random_scenarios import random_scenario
from streamsrv.testing.scenario import Scenario
from streamsrv.testing.shrinking import shrink
from streamsrv.testing.simulator import simulate


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m streamsrv.testing", description=__doc__)
    parser.add_argument("conversations", type=int, nargs="?", default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the first conversation; the others follow")
    arguments = parser.parse_args()
    started, virtual_ms = time.perf_counter(), 0
    for seed in range(arguments.seed, arguments.seed + arguments.conversations):
        scenario = random_scenario(Random(seed))
        try:
            record = simulate(scenario)
            check(record)
        except Exception as error:
            kind = _kind(error)
            smallest = shrink(scenario, lambda smaller: _failure(smaller) == kind)
            print(f"conversation {seed} goes wrong ({kind}); the smallest that does:\n")
            check(simulate(smallest))
            raise
        virtual_ms += record.ended_ms
    elapsed = time.perf_counter() - started
    print(f"{arguments.conversations} conversations ({virtual_ms / 3_600_000:.1f} hours) in {elapsed:.1f} s:")
    print(
        f"{arguments.conversations / elapsed:.0f} conversations a second, {virtual_ms / elapsed / 1000:.0f} x real time"
    )
    return 0


def _failure(scenario: Scenario) -> str | None:
    try:
        check(simulate(scenario))
    except Exception as error:
        return _kind(error)
    return None


def _kind(error: Exception) -> str:
    """What went wrong, without the details that change when a conversation gets smaller."""
    if isinstance(error, InvariantBroken):
        return error.violations[0].invariant
    return f"{type(error).__name__}: {error}".splitlines()[0]


if __name__ == "__main__":
    raise SystemExit(main())
