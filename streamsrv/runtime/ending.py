"""How a session ends."""

import asyncio

Outcome = tuple[int, str] | None
"""WebSocket close code and reason; None: the client has left."""


class Ending:
    """Set once, by whichever part of the session sees its end first."""

    def __init__(self) -> None:
        self._outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    @property
    def is_settled(self) -> bool:
        return self._outcome.done()

    def settle(self, outcome: Outcome) -> None:
        """End the session, unless it has ended already."""
        if not self._outcome.done():
            self._outcome.set_result(outcome)

    async def wait(self) -> None:
        """Wait until the session has ended."""
        await asyncio.wait([self._outcome])

    @property
    def outcome(self) -> Outcome:
        """How it ended; None while it goes on."""
        return self._outcome.result() if self._outcome.done() else None
