"""Waiting for something outside this process, with a deadline and a message."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def until(look: Callable[[], Result], what: str, seconds: float = 60) -> Result:
    """The first true result of `look`, which is asked 20 times a second; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (result := look()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)
    return result
