"""Runs checks against a server, one after the other."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from websockets.exceptions import InvalidStatus, WebSocketException

from streamsrv.conformance.check import Check
from streamsrv.conformance.reaching import explain, refusal
from streamsrv.conformance.session import Target, opening
from streamsrv.conformance.violations import Inconclusive, Violation

Outcome = Literal["passed", "failed", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one check; `detail` gives the reason, unless the check passed."""

    check: Check
    outcome: Outcome
    detail: str
    seconds: float


class Unreachable(Exception):
    """No session can be opened. The message says what to do about it."""


async def reach(target: Target) -> None:
    """Open one session and close it. Raises `Unreachable`."""
    try:
        async with opening(target):
            pass
    except (OSError, WebSocketException) as error:
        raise Unreachable(explain(error, target.url)) from error
    except Violation:
        pass  # a check reports it


async def run_check(check: Check, target: Target) -> Result:
    """Run one check. Every error becomes the outcome of the check."""
    started_s = time.monotonic()
    outcome, detail = "passed", ""
    try:
        await check.run(target)
    except Inconclusive as reason:
        outcome, detail = "inconclusive", str(reason)
    except Exception as error:
        outcome, detail = "failed", _explain(error)
    return Result(check, outcome, detail, time.monotonic() - started_s)


def select(checks: Iterable[Check], names: Iterable[str]) -> list[Check]:
    """Return the checks of these groups or names, or all checks if none is given. Raises `ValueError`."""
    known, wanted = list(checks), list(names)
    for name in wanted:
        if not any(check.name.startswith(name) for check in known):
            groups = ", ".join(dict.fromkeys(check.name.partition(".")[0] for check in known))
            raise ValueError(f"there is no check '{name}': give a group ({groups}) or a name from --list")
    return [check for check in known if not wanted or check.name.startswith(tuple(wanted))]


def _explain(error: Exception) -> str:
    match error:
        case Violation():
            return str(error)
        case InvalidStatus():
            return f"The server refused a session: HTTP {error.response.status_code} {refusal(error)}"
        case KeyError():
            return f"An event has no field {error}."
        case _:
            return f"{type(error).__name__}: {error}"
