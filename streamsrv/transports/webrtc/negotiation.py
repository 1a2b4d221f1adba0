"""Waits for a media process to answer an SDP offer."""

import asyncio

from streamsrv.errors import Unavailable
from streamsrv.media.messages import Answer
from streamsrv.protocol.errors import ProtocolError

ANSWER_S = 20.0
"""Seconds a media process may take to answer an offer: longer than its own timeout for that."""


class Negotiation:
    """One offer that waits for its answer. Only the first call of `succeed` or `fail` counts."""

    def __init__(self) -> None:
        self._outcome: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def succeed(self, answer: Answer) -> None:
        if not self._outcome.done():
            self._outcome.set_result(answer)

    def fail(self, error: ProtocolError | Unavailable) -> None:
        if not self._outcome.done():
            self._outcome.set_exception(error)
            self._outcome.exception()  # marks it as retrieved: nobody waits for it if the client has gone

    async def answer(self) -> Answer:
        """Wait for the answer; raises `ProtocolError` for a bad offer, `Unavailable` if no answer comes."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._outcome
        except TimeoutError:
            raise Unavailable(f"The media process did not answer within {ANSWER_S:g} seconds.") from None
