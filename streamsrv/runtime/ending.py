"""Holds how a session ended, and lets tasks wait for its end."""

import asyncio

Outcome = tuple[int, str] | None
"""The WebSocket close code and reason of a session that ended, or None if the client left."""
INTERNAL_ERROR = (1011, "Internal error.")
"""The outcome of a session that a fault of the server ended."""
SLOW_CLIENT = (1008, "The client does not read what it is sent.")
"""The outcome of a session whose client does not read."""
TOO_MANY_MALFORMED = (1008, "Too many malformed events.")
"""The outcome of a session whose client sends what is not an event."""


class Ending:
    """The end of one session. The first call of `settle` counts; later ones change nothing."""

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
        """How the session ended; None if the client left, and while the session goes on."""
        return self._outcome.result() if self._outcome.done() else None
