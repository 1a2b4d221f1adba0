"""A file of the pages as it is sent: compressed once, and not sent to a browser that has it."""

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

MIN_COMPRESSED = 200
"""Bytes from which on content is compressed."""
_PACKED = ("font/woff2", "image/png", "image/vnd.microsoft.icon", "audio/mpeg")
"""Types that hardly become smaller."""

# The tables of the operating system may lack the types of scripts, and browsers refuse scripts without their type.
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("image/svg+xml", ".svg")
mimetypes.add_type("image/vnd.microsoft.icon", ".ico")
mimetypes.add_type("application/manifest+json", ".webmanifest")
mimetypes.add_type("application/json", ".map")


@dataclass(frozen=True)
class StaticContent:
    """Bytes of one media type."""

    body: bytes
    media_type: str

    @cached_property
    def compressed(self) -> bytes | None:
        """The body in gzip; None if that is not smaller."""
        if len(self.body) < MIN_COMPRESSED or self.media_type in _PACKED:
            return None
        packed = gzip.compress(self.body, 9, mtime=0)
        return packed if len(packed) < len(self.body) else None

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()[:20]


def content_of(path: str, body: bytes) -> StaticContent:
    """Return the content of a file; its name tells the type."""
    return StaticContent(body, mimetypes.guess_type(path)[0] or "application/octet-stream")


def respond(request: Request, content: StaticContent, headers: Mapping[str, str], status: int = 200) -> Response:
    """Return the response to a GET or HEAD. Ranges are ignored, as RFC 9110 allows: no file is large."""
    packed = content.compressed if _takes_gzip(request.headers) else None
    tag = f'"{content.digest}-gzip"' if packed else f'"{content.digest}"'
    sent = {**headers, "etag": tag, "vary": "Accept-Encoding"}
    if status == 200 and _has(request.headers, tag):
        return Response(status_code=304, headers=sent)
    body = packed or content.body
    if packed:
        sent["content-encoding"] = "gzip"
    sent["content-length"] = str(len(body))
    return Response(b"" if request.method == "HEAD" else body, status, sent, content.media_type)


def _takes_gzip(headers: Headers) -> bool:
    """Whether a client accepts gzip (RFC 9110, section 12.5.3)."""
    for coding in headers.get("accept-encoding", "").lower().split(","):
        name, *parameters = (part.strip() for part in coding.split(";"))
        if name in ("gzip", "x-gzip", "*"):
            weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
            return weight.strip("0.") != ""
    return False


def _has(headers: Headers, tag: str) -> bool:
    """Whether the client has the content with this tag."""
    known = [each.strip().removeprefix("W/") for each in headers.get("if-none-match", "").split(",")]
    return tag in known or known == ["*"]
