"""Gives a core its inputs and runs its effects, one input at a time."""

import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from streamsrv.core.effects import Effect
from streamsrv.core.inputs import Input
from streamsrv.core.session import SessionCore
from streamsrv.runtime.ending import INTERNAL_ERROR, Ending

logger = logging.getLogger(__name__)

Actions = dict[type, Callable[[Any], None]]
"""The action for each type of effect. An action never waits."""


class CoreRunner:
    """Passes inputs to a core, and ends the session with 1011 after an exception in the core or in an action.

    The exception is logged. An input that comes while the effects of another input run is handled right after them.
    Inputs that come after the end of the session are ignored.
    """

    def __init__(self, core: SessionCore, ending: Ending) -> None:
        self._core = core
        self._ending = ending
        self._actions: Actions = {}
        self._waiting: deque[Input] = deque()
        self._is_busy = False

    def start(self, actions: Actions) -> None:
        """Begin the session; `actions` has an action for each type of effect."""
        self._actions = actions
        self._is_busy = True
        self._advance(lambda: self._core.start(_now_ms()))
        self._handle_waiting()

    def handle(self, happened: Input) -> None:
        """Give one input to the core and run its effects."""
        if self._ending.is_settled:
            return
        self._waiting.append(happened)
        if not self._is_busy:
            self._is_busy = True
            self._handle_waiting()

    def close(self) -> None:
        """Drop references so the session is freed at once, without waiting for the garbage collector."""
        self._actions.clear()
        self._waiting.clear()

    def _handle_waiting(self) -> None:
        while self._waiting:
            self._advance(partial(self._core.handle, self._waiting.popleft(), _now_ms()))
        self._is_busy = False

    def _advance(self, decide: Callable[[], list[Effect]]) -> None:
        if self._ending.is_settled:
            return
        try:
            for effect in decide():
                self._actions[type(effect)](effect)
        except Exception:
            logger.exception("session %s failed", self._core.session.id)
            self._ending.settle(INTERNAL_ERROR)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
