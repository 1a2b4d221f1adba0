"""Joins what many sessions want computed at about the same time into one call."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from itertools import batched
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

SPACING_S = 0.004
"""Shortest time between two calls: what comes meanwhile shares the second one. Each call wakes two threads."""
MAX_ITEMS = 32
"""Items in one call: more gain nothing, and each waits for all."""


class Batch(Generic[Item, Result]):
    """Gathers items for `compute`, which returns a result for each, in order.

    `submit` starts a call and returns the future of its result, or raises. For one event loop.
    """

    def __init__(
        self,
        compute: Callable[[list[Item]], Sequence[Result]],
        submit: "Callable[[Callable[[], Sequence[Result]]], asyncio.Future[Sequence[Result]]]",
    ) -> None:
        self._compute = compute
        self._submit = submit
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._submitted_s = 0.0

    def add(self, item: Item) -> "asyncio.Future[Result]":
        """The result of `item`, which waits for others at most `SPACING_S`, and only if there was just a call."""
        if not self._waiting:
            self._loop.call_at(max(self._loop.time(), self._submitted_s + SPACING_S), self._send)
        result: asyncio.Future[Result] = self._loop.create_future()
        self._waiting.append((item, result))
        return result
