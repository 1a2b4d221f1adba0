"""Reads the stream of a provider's answer, within its bounds."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from streamsrv.engines.llm.base import Delta
from streamsrv.engines.llm.wire_values import MAX_CALLS
from streamsrv.errors import Unavailable

MAX_ANSWER_CHARS = 1_000_000
"""Characters of one answer: more than any model writes, unless it repeats itself without end."""
_PATIENCE_WHEN_COMPLETE_S = 2.0
"""Seconds to wait for the usage after the reason to stop."""


class Event(Protocol):
    """An event of a provider's package."""

    def to_dict(self, *, warnings: bool) -> Mapping[str, Any]: ...


class Reader(Protocol):
    """Turns the events of one answer into deltas, and knows how much of it there is."""

    characters: int

    @property
    def calls(self) -> int: ...

    @property
    def is_complete(self) -> bool: ...

    def read(self, event: Mapping[str, Any], /) -> Sequence[Delta]: ...


async def pieces(
    name: str,
    events: AsyncIterator[Event],
    reader: Reader,
    patience_s: float,
    provider_errors: type[Exception],
) -> AsyncGenerator[Sequence[Delta], None]:
    """Yield the deltas of the events until the stream ends. Raises `TimeoutError` if no delta comes in time.

    After the reason to stop, a timeout or one of the `provider_errors` ends the stream without an error. Raises
    `Unavailable` if the answer of the model `name` does not stop.
    """
    clock = asyncio.get_running_loop().time
    give_up_s = clock() + patience_s
    while True:
        try:
            async with asyncio.timeout_at(give_up_s):
                event = await anext(events, None)
        except (TimeoutError, provider_errors):
            if reader.is_complete:
                return
            raise
        if event is None:
            return
        deltas = reader.read(event.to_dict(warnings=False))
        if reader.characters > MAX_ANSWER_CHARS:
            raise Unavailable(f"{name} does not stop: its answer has more than {MAX_ANSWER_CHARS} characters.")
        if reader.calls > MAX_CALLS:
            raise Unavailable(f"{name} does not stop: its answer calls more than {MAX_CALLS} functions.")
        if deltas:
            yield deltas
            give_up_s = clock() + patience_s
        if reader.is_complete:
            give_up_s = min(give_up_s, clock() + _PATIENCE_WHEN_COMPLETE_S)
