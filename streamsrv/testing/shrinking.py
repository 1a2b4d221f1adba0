"""Finds the smallest conversation that still goes wrong: fewer acts and sounds, and defaults wherever they will do."""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any

from streamsrv.testing.scenario import Scenario
from streamsrv.testing.speakers import Say


def shrink(scenario: Scenario, goes_wrong: Callable[[Scenario], bool]) -> Scenario:
    """The scenario with everything left out or set to its default that is not needed for it to go wrong."""
    while (smaller := next(filter(goes_wrong, _smaller(scenario)), None)) is not None:
        scenario = smaller
    return scenario


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Scenarios that are one step simpler."""
    script = scenario.script
    for index, act in enumerate(script):
        rest = script[:index], script[index + 1 :]
        yield replace(scenario, script=(*rest[0], *rest[1]))
        if isinstance(act.what, Say) and len(act.what.sounds) > 1:
            for left_out in range(len(act.what.sounds)):
                sounds = act.what.sounds[:left_out] + act.what.sounds[left_out + 1 :]
                yield replace(scenario, script=(*rest[0], replace(act, what=Say(sounds)), *rest[1]))
    for name, simpler in _with_defaults(scenario):
        yield replace(scenario, **{name: simpler})


def _with_defaults(value: Any) -> Iterator[tuple[str, Any]]:
    """For each field of a dataclass: its default, then its value with one of its own fields set to the default."""
    for field in fields(value):
        default = field.default if field.default is not MISSING else None
        if field.default_factory is not MISSING:
            default = field.default_factory()
        held = getattr(value, field.name)
        if field.name == "script" or held == default:
            continue
        yield field.name, default
        if is_dataclass(held):
            for inner, simpler in _with_defaults(held):
                yield field.name, replace(held, **{inner: simpler})  # type: ignore[type-var]
