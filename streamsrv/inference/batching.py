"""Joins items that many sessions want computed at about the same time into one call."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from streamsrv.errors import Overloaded

Item = TypeVar("Item")
Result = TypeVar("Result")

MIN_SPACING_S = 0.008
"""Seconds between two calls. Items that come in between share the second call, because each call wakes threads."""
MAX_ITEMS = 32
"""Items in one call: larger calls are not cheaper per item, and every item waits for the whole call."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a `Batch` computes, and what."""

    min_spacing_s: float = MIN_SPACING_S
    max_items: int = MAX_ITEMS
    is_serial: bool = False
    """Whether a call begins only after the one before it has ended, with all that has come meanwhile."""
    max_waiting: int = 1024
    """Items that may wait; one more fails with `Overloaded`."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """Stands for the result of an item for which `compute` raised."""

    error: Exception


class Batch(Generic[Item, Result]):
    """Gathers items for `compute`, which returns a list with the result of each item, in order.

    If `compute` raises for several items, it is called again for each item, so that a bad one fails alone. Items whose
    result was cancelled before the call are left out. `submit` starts a call and returns the future of its result, or
    raises. Items with a smaller `urgency` go first. One `Batch` serves one event loop.
    """

    def __init__(
        self,
        compute: Callable[[list[Item]], Sequence[Result]],
        submit: "Callable[[Callable[[], Sequence[Result | _Failed]]], asyncio.Future[Sequence[Result | _Failed]]]",
        limits: BatchLimits | None = None,
        urgency: Callable[[Item], int] = lambda _: 0,
    ) -> None:
        self._compute = compute
        self._submit = submit
        self._limits = limits or BatchLimits()
        self._urgency = urgency
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running = 0
        self._submitted_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, item: Item) -> "asyncio.Future[Result]":
        """Return the future result of `item`, which waits for others if the last call was too short a time ago.

        Raises `Overloaded` if too many wait.
        """
        if len(self._waiting) >= self._limits.max_waiting:
            raise Overloaded(f"Too many requests wait for a model ({len(self._waiting)}).")
        result: asyncio.Future[Result] = self._loop.create_future()
        self._waiting.append((item, result))
        self._plan()
        return result

    def _plan(self) -> None:
        """Send what waits as soon as that is allowed."""
        is_held = self._limits.is_serial and self._running
        if self._waiting and self._timer is None and not is_held:
            self._timer = self._loop.call_at(self._submitted_s + self._limits.min_spacing_s, self._send)

    def _send(self) -> None:
        self._timer = None
        self._submitted_s = self._loop.time()
        wanted = [(item, result) for item, result in self._waiting if not result.done()]
        wanted.sort(key=lambda pair: self._urgency(pair[0]))
        size = self._limits.max_items
        count = size if self._limits.is_serial else len(wanted)
        self._waiting = wanted[count:]
        for start in range(0, len(wanted[:count]), size):
            self._call(wanted[start : min(start + size, count)])

    def _call(self, pairs: "list[tuple[Item, asyncio.Future[Result]]]") -> None:
        results = [result for _, result in pairs]
        try:
            computed = self._submit(partial(_compute_apart, self._compute, [item for item, _ in pairs]))
        except Exception as error:
            _fail(results, error)
            self._plan()
        else:
            self._running += 1
            computed.add_done_callback(partial(self._deliver, results))

    def _deliver(
        self,
        results: "list[asyncio.Future[Result]]",
        computed: "asyncio.Future[Sequence[Result | _Failed]]",
    ) -> None:
        self._running -= 1
        _deliver(results, computed)
        self._plan()


def _compute_apart(compute: Callable[[list[Item]], Sequence[Result]], items: list[Item]) -> Sequence[Result | _Failed]:
    """Return `compute(items)`, or if that raises, the result of each item computed by itself."""
    try:
        results = compute(items)
        if len(results) != len(items):
            raise ValueError(f"{len(results)} results for {len(items)} items")
    except BaseException as error:
        if len(items) == 1:
            return [_Failed(raisable(error))]
        return [result for item in items for result in _compute_apart(compute, [item])]
    return results


def raisable(error: BaseException) -> Exception:
    """Return the exception, wrapped if a future cannot raise it: other types would end the task or never wake it.

    Threads that run engines catch all types: they must go on, and the panic of a library in Rust is no `Exception`.
    """
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError(f"{type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped


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
