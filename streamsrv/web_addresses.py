"""What the addresses of web services mean, which of them others cover, and what goes into a header. Pure."""

import ipaddress
import re
from urllib.parse import urlsplit

HIDDEN = "(hidden)"
_PASSWORD = re.compile(r"(//[^\s/@:]*:)\S+(?=@)")
"""Up to the last @ of a word, because a password may hold any other character, too, if it is not escaped."""
_TOKEN = re.compile(r"(//|:)[^\s/@:]+(?=@)")


def is_loopback(host: str) -> bool:
    """Whether a host name or address (IPv6 also in brackets) can only be reached from this machine."""
    host = host.strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def fits_in_header(text: str) -> bool:
    """Whether an HTTP header can carry a text, but for spaces at its ends."""
    return text.isascii() and text.isprintable()


def url_problem(url: str) -> str:
    """Return what is wrong with the address of a service, such as `is no address`; empty if nothing is."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is no address"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or re.search(r"[\s\x00-\x1f\\]", url):
        return "is not an http or https address"
    if parts.username is not None or parts.password is not None:
        return "holds a name or password, which belong in a header"
    if parts.fragment:
        return "has a fragment (#)"
    if ".." in parts.path.split("/") or "%2e" in parts.path.lower():
        return "has a path with '..'"
    return ""


def without_passwords(text: str) -> str:
    """Return a text with the passwords of the URLs in it hidden."""
    return _TOKEN.sub(rf"\1{HIDDEN}", _PASSWORD.sub(rf"\1{HIDDEN}", text))


def is_unencrypted(url: str) -> bool:
    """Whether what is sent to the address can be read on its way."""
    parts = urlsplit(url)
    return parts.scheme != "https" and not is_loopback(parts.hostname or "")


def url_is_within(url: str, allowed: str) -> bool:
    """Whether an address is the allowed one, or lies below it where that ends with a slash; `*` allows all."""
    if url_problem(url):
        return False
    if allowed == "*":
        return True
    if _origin(url) != _origin(allowed):
        return False
    path, held = urlsplit(url).path or "/", urlsplit(allowed).path or "/"
    return path == held or (held.endswith("/") and path.startswith(held))


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
