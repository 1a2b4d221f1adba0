"""WebSocket connections to providers: the key is for one host, and is never sent or logged in the clear."""

import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect

from streamsrv.engines.loading import LoadContext
from streamsrv.engines.model_entry import ModelEntry
from streamsrv.errors import Unavailable
from streamsrv.web_addresses import fits_in_header, without_passwords

LOOPBACK = ("localhost", "127.0.0.1", "::1")

_CLOSE_S = 1.0
_WIRE_LOG = logging.getLogger(__name__ + ".wire")
_WIRE_LOG.setLevel(logging.CRITICAL)  # its debug messages have the headers, and so the key


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine."""
    return urlsplit(url).hostname in LOOPBACK


def checked_key(entry: ModelEntry, context: LoadContext) -> str:
    """Return the key of a provider, or an empty text; raises `Unavailable` for one that no header can carry."""
    key = (context.api_key or "").strip()
    if not fits_in_header(key):
        raise Unavailable(f"The key of {entry.name} ({entry.key_variable}) has characters that no key has")
    return key


def require_encryption(model: str, base_url: str) -> None:
    """Raise `Unavailable` if a key would be sent to another machine unencrypted. `model` is named in the error."""
    scheme = urlsplit(base_url).scheme
    if scheme in ("http", "ws") and not is_loopback(base_url):
        shown = without_passwords(base_url)
        raise Unavailable(
            f"The options of {model} are wrong: base_url: {shown!r} would send the key unencrypted; "
            f"accepted: {scheme}s://, or {scheme}:// to this machine"
        )


class _Connect(connect):
    """Follows no redirect: the key is for one host."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_socket(url: str, headers: Mapping[str, str], *, max_bytes: int) -> ClientConnection:
    """Connect, without a limit of time; raises what `websockets` raises. Messages have `max_bytes` at most."""
    return await _Connect(
        url,
        additional_headers=headers,
        max_size=max_bytes,
        compression=None,
        close_timeout=_CLOSE_S,
        open_timeout=None,
        proxy=None if is_loopback(url) else True,  # a proxy from the environment cannot reach this machine
        logger=_WIRE_LOG,
    )
