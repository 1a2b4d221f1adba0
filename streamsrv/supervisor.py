"""Runs the background tasks of the server, so that each has an owner and a failed one affects no other."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

logger = logging.getLogger(__name__)

FIRST_RESTART_S = 1.0
"""Seconds before a failed task of `keep` restarts; doubled after each further failure in a row."""
MAX_RESTARTS = 6
"""Restarts in a row of a task of `keep`; after one more failure it is given up."""
STEADY_S = 60.0
"""Seconds of running after which the next failure of a task of `keep` counts as its first."""


class Supervisor:
    """Runs background tasks for as long as its `async with` block lasts, and cancels them at its end.

    Tasks are independent of each other and of the block: an exception is logged and ends one task only.
    """

    def __init__(self, *, first_restart_s: float = FIRST_RESTART_S) -> None:
        self._first_restart_s = first_restart_s
        self._tasks: set[asyncio.Task[Any]] = set()
        self._given_up: dict[str, str] = {}
        self._is_running = False

    async def __aenter__(self) -> "Supervisor":
        self._is_running = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_running = False
        for task in self._tasks:
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def problems(self) -> list[str]:
        """A sentence for each task that was given up, or if the block has ended; empty while all is well."""
        stopped = [] if self._is_running else ["Background work has ended."]
        return stopped + [f"{name} has failed for good: {why}." for name, why in self._given_up.items()]

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start a task; outside of the block, raise `RuntimeError` and do not start it."""
        if not self._is_running:
            work.close()
            raise RuntimeError(f"{name} cannot start: background work has ended.")
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def keep(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Start a task that runs as long as the block, and restart it when it ends or fails."""
        self.spawn(self._keep(work, name), name)

    async def _keep(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started_s = loop.time()
            try:
                await work()
                why = "it ended"
            except Exception as error:
                why = f"{type(error).__name__}: {error}"
                logger.exception("%s failed", name)
            failures = 1 if loop.time() - started_s > STEADY_S else failures + 1
            if failures > MAX_RESTARTS:
                logger.critical("%s is given up: %s", name, why)
                self._given_up[name] = why
                return
            await asyncio.sleep(self._first_restart_s * 2 ** (failures - 1))

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s failed", task.get_name(), exc_info=error)
