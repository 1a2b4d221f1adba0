"""`GET /v1/streamsrv/captions/{room}/qr.svg`: the address of the viewers' page of a room, as a picture.

It tells nothing that the client did not send, so it needs no key.
"""

import asyncio
import io
import re
from functools import lru_cache

import segno
from starlette.requests import Request
from starlette.responses import Response

from streamsrv.access.refusal import Refusal

_HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}


class QrCodes:
    """The endpoint. It draws one code at a time, because anybody may ask."""

    def __init__(self) -> None:
        self._drawing = asyncio.Semaphore(1)

    async def answer(self, request: Request) -> Response:
        """Return an SVG. The address is the one under which the client has reached this server; no room need exist."""
        host = request.headers.get("host", "")
        if not _HOST.fullmatch(host):
            raise Refusal(400, "invalid_value", "The header 'Host' is no address.", "host")
        root = request.scope.get("app_root_path", request.scope.get("root_path", ""))
        address = f"{request.url.scheme}://{host}{root}/captions/{request.path_params['room']}"
        async with self._drawing:
            svg = await asyncio.to_thread(svg_of, address)
        return Response(svg, media_type="image/svg+xml", headers=_HEADERS)


@lru_cache(maxsize=64)
def svg_of(address: str) -> bytes:
    """Return a QR code as SVG, without a size: black on white, with the quiet zone that readers need."""
    svg = io.BytesIO()
    code = segno.make_qr(address, error="m")
    code.save(svg, kind="svg", border=4, light="white", omitsize=True, svgclass=None, lineclass=None)
    return svg.getvalue()
