"""Streams responses while they are generated."""

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
"""Headers that keep proxies from buffering (X-Accel-Buffering is for nginx), compressing or storing a stream."""

_encode = msgspec.json.Encoder().encode
"""Encodes to JSON; bytes become base64."""


async def streamed(pieces: AsyncGenerator[bytes, None], media_type: str) -> Response:
    """Return a response that streams `pieces`. Raises an error before the first piece, so that it gets a status."""
    first = await anext(pieces, b"")
    return _Stream(first, pieces, media_type)


async def server_sent(events: AsyncGenerator[dict[str, Any], None], end: bytes = b"") -> AsyncGenerator[bytes, None]:
    """Yield server-sent events, then `end`. An error after the first event is sent as the last event."""
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
    """Always closes its source. If the source fails, breaks the connection off, so that the client sees the cut."""

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
