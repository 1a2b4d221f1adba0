"""Finds the smallest conversation that still goes wrong: fewer acts and sounds, and defaults wherever they will do."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from streamsrv.testing.compact import defaults, replaced
from streamsrv.testing.scenario import Scenario
from streamsrv.testing.speakers import Act, Say


def shrink(scenario: Scenario, goes_wrong: Callable[[Scenario], bool]) -> Scenario:
    """The scenario with everything left out or set to its default that is not needed for it to go wrong."""
    while (smaller := next(filter(goes_wrong, _smaller(scenario)), None)) is not None:
        scenario = smaller
    return scenario


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Scenarios that are one step simpler."""
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
    """The object with one field, of its own or of an object in it, at its default."""
    for name, default in defaults(value).items():
        held = getattr(value, name)
        if held != default:
            yield replaced(value, name, default)
            yield from (replaced(value, name, simpler) for simpler in _with_defaults(held))
