"""Joins items that many sessions want computed at about the same time into one call."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MIN_SPACING_S = 0.008
"""Seconds between two calls. Items that come in between share the second call, because each call wakes threads."""
MAX_ITEMS = 32
"""Items in one call: larger calls are not cheaper per item, and every item waits for the whole call."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """Stands for the result of an item for which `compute` raised."""

    error: Exception


class Batch(Generic[Item, Result]):
    """Gathers items for `compute`, which returns a list with the result of each item, in order.

    If `compute` raises for several items, it is called again for each item, so that a bad one fails alone. `submit`
    starts a call and returns the future of its result, or raises. One `Batch` serves one event loop.
    """

    def __init__(
        self,
        compute: Callable[[list[Item]], Sequence[Result]],
        submit: "Callable[[Callable[[], Sequence[Result | _Failed]]], asyncio.Future[Sequence[Result | _Failed]]]",
    ) -> None:
        self._compute = compute
        self._submit = submit
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._submitted_s = 0.0

    def add(self, item: Item) -> "asyncio.Future[Result]":
        """Return the future result of `item`, which waits for others if the last call was under `MIN_SPACING_S` ago."""
        if not self._waiting:
            self._loop.call_at(self._submitted_s + MIN_SPACING_S, self._send)
        result: asyncio.Future[Result] = self._loop.create_future()
        self._waiting.append((item, result))
        return result

    def _send(self) -> None:
        self._submitted_s = self._loop.time()
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), MAX_ITEMS):
            part = waiting[start : start + MAX_ITEMS]
            results = [result for _, result in part]
            try:
                computed = self._submit(partial(_compute_apart, self._compute, [item for item, _ in part]))
            except Exception as error:
                _fail(results, error)
            else:
                computed.add_done_callback(partial(_deliver, results))


def _compute_apart(compute: Callable[[list[Item]], Sequence[Result]], items: list[Item]) -> Sequence[Result | _Failed]:
    """Return `compute(items)`, or if that raises, the result of each item computed by itself."""
    try:
        results = compute(items)
        if len(results) != len(items):
            raise ValueError(f"{len(results)} results for {len(items)} items")
    except Exception as error:
        if len(items) == 1:
            return [_Failed(error)]
        return [result for item in items for result in _compute_apart(compute, [item])]
    return results


def _deliver(results: "list[asyncio.Future[Result]]", computed: "asyncio.Future[Sequence[Result | _Failed]]") -> None:
    if (error := computed.exception()) is not None:
        _fail(results, error)
        return
    for result, value in zip(results, computed.result(), strict=True):
        if isinstance(value, _Failed):
            _fail([result], value.error)
        elif not result.done():
            result.set_result(value)


def _fail(results: "list[asyncio.Future[Result]]", error: BaseException) -> None:
    for result in results:
        if not result.done():
            result.set_exception(error)
