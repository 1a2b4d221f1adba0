"""`python -m streamsrv.testing`: runs random conversations, prints their speed and shrinks the first that fails."""

import argparse
import time
from collections.abc import Callable
from random import Random

from streamsrv.testing.early_ends import early_end_scenario
from streamsrv.testing.invariants import InvariantBroken, check
from streamsrv.testing.random_scenarios import random_call, random_scenario
from streamsrv.testing.scenario import Scenario
from streamsrv.testing.shrinking import shrink
from streamsrv.testing.simulator import simulate

FAMILIES: dict[str, Callable[[Random], Scenario]] = {
    "any": random_scenario,
    "calls": random_call,
    "early-ends": early_end_scenario,
}
"""Makers of random conversations: anything, telephone calls, turns that are ended too early."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m streamsrv.testing", description=__doc__)
    parser.add_argument("conversations", type=int, nargs="?", default=1000)
    parser.add_argument("--seed", type=int, default=0, help="seed of the first conversation; each later one adds 1")
    parser.add_argument("--family", choices=FAMILIES, default="any", help="which conversations (default: any)")
    arguments = parser.parse_args()
    started, virtual_ms = time.perf_counter(), 0
    for seed in range(arguments.seed, arguments.seed + arguments.conversations):
        scenario = FAMILIES[arguments.family](Random(seed))
        try:
            record = simulate(scenario)
            check(record)
        except Exception as error:
            _show_smallest(seed, scenario, error)
            raise SystemExit(1) from None
        virtual_ms += record.ended_ms
    elapsed = time.perf_counter() - started
    print(f"{arguments.conversations} conversations ({virtual_ms / 3_600_000:.1f} hours) in {elapsed:.1f} s:")
    speed = virtual_ms / 1000 / elapsed
    print(f"{arguments.conversations / elapsed:.0f} conversations a second, {speed:.0f} x real time")


def _show_smallest(seed: int, scenario: Scenario, error: Exception) -> None:
    kind = _kind(error)
    smallest = shrink(scenario, lambda smaller: (found := _failure(smaller)) is not None and _kind(found) == kind)
    smallest_error = _failure(smallest) or error
    notes = getattr(smallest_error, "__notes__", ())
    print(
        f"Conversation {seed} fails. The smallest conversation that fails in the same way:\n",
        smallest_error,
        *notes,
        sep="\n",
    )


def _failure(scenario: Scenario) -> Exception | None:
    try:
        check(simulate(scenario))
    except Exception as error:
        return error
    return None


def _kind(error: Exception) -> str:
    """The kind of failure, without the details that change when a conversation shrinks."""
    if isinstance(error, InvariantBroken):
        return error.violations[0].invariant
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
