"""The type of a check, and a decorator that collects the checks of a group."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from streamsrv.conformance.session import Target

Run = Callable[[Target], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Check:
    """One behaviour of the protocol. `run` raises `Violation` or `Inconclusive`."""

    name: str
    """Group and name, such as `items.duplicate_id`."""
    statement: str
    """The behaviour, as a sentence."""
    run: Run


class Checks:
    """Collects the checks of one group."""

    def __init__(self, group: str) -> None:
        self.all: list[Check] = []
        self._group = group

    def __call__(self, run: Run) -> Run:
        """Add a function as a check: its name becomes the name of the check, its docstring the statement."""
        name: str = getattr(run, "__name__", "")
        self.all.append(Check(f"{self._group}.{name}", (run.__doc__ or "").strip(), run))
        return run
