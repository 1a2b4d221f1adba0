"""Shrinks a failing conversation: removes acts and sounds and sets fields to their defaults while it still fails."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from streamsrv.testing.compact import defaults, replaced
from streamsrv.testing.scenario import Scenario
from streamsrv.testing.simulated_user import Act, Say


def shrink(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """Return the scenario without the acts, sounds and non-default fields that the failure does not need."""
    while (smaller := next(filter(fails, _smaller(scenario)), None)) is not None:
        scenario = smaller
    return scenario


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Yield scenarios that are one step simpler."""
    script = scenario.script
    for index, act in enumerate(script):
        for instead in ((), *_smaller_acts(act)):
            yield replace(scenario, script=(*script[:index], *instead, *script[index + 1 :]))
    yield from _with_defaults(scenario)


def _smaller_acts(act: Act) -> Iterator[tuple[Act]]:
    sounds = act.what.sounds if isinstance(act.what, Say) else ()
    for index in range(len(sounds) if len(sounds) > 1 else 0):
        yield (replace(act, what=Say(sounds[:index] + sounds[index + 1 :])),)


def _with_defaults(value: Any) -> Iterator[Any]:
    """Yield copies of the object with one field at its default, its own or one of an object that it holds."""
    for name, default in defaults(value).items():
        held = getattr(value, name)
        if held != default:
            yield replaced(value, name, default)
            yield from (replaced(value, name, simpler) for simpler in _with_defaults(held))
