"""Responses that are sent while they are made."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from streamsrv.http.errors import describe

logger = logging.getLogger(__name__)

STREAM_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
"""No proxy may hold back what is sent (X-Accel-Buffering is nginx's), compress or store it."""

_encode = msgspec.json.Encoder().encode
"""Bytes become base64."""


async def streamed(pieces: AsyncGenerator[bytes, None], media_type: str) -> Response:
    """A response of pieces, sent as they come. Raises what `pieces` raises before the first: that can have a status."""
    first = await anext(pieces, b"")
    return _Stream(first, pieces, media_type)


async def server_sent(events: AsyncGenerator[dict[str, Any], None], end: bytes = b"") -> AsyncGenerator[bytes, None]:
    """Events as server-sent events, then `end`. An error after the first of them is sent as the last."""
    is_first = True
    async with aclosing(events):
        try:
            async for event in events:
                yield b"data: " + _encode(event) + b"\n\n"
                is_first = False
        except Exception as error:
            if is_first:
                raise
            logger.warning("a stream failed: %s", error)
            yield b"data: " + bytes(describe(error).body) + b"\n\n"
            return
    if end:
        yield end


class _Stream(StreamingResponse):
    """Closes its source whatever happens. The connection breaks off if the source fails: no end is told from a cut."""

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes, None], media_type: str) -> None:
        super().__init__(rest, media_type=media_type, headers=STREAM_HEADERS)
        self._first = first
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._rest):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self._first, "more_body": True})
            try:
                async for piece in self._rest:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            except Exception as error:
                logger.warning("a stream broke off: %s", error)
                return
            await send({"type": "http.response.body", "body": b"", "more_body": False})
