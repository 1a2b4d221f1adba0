"""Where models run: on this machine, or at an address. Pure."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from streamsrv.engines.model_entry import ModelEntry
from streamsrv.web_addresses import is_loopback

_ADDRESSES: Mapping[str, str] = {
    "anthropic": "https://api.anthropic.com",
    "openai_compatible": "https://api.openai.com",
    "openai_realtime": "https://api.openai.com",
    "openai_speech": "https://api.openai.com",
    "openai_transcriptions": "https://api.openai.com",
}
"""Addresses of the providers of engines whose option `base_url` is not set."""


def address_of(entry: ModelEntry) -> str:
    """Return the address at which a model is asked; empty if it runs in this process, or has none yet."""
    return str(entry.options.get("base_url") or ("" if entry.needs_url else _ADDRESSES.get(entry.engine, "")))


def is_here(entry: ModelEntry) -> bool:
    """Whether this machine runs a model, whatever its entry says about the hardware that it needs."""
    address = address_of(entry)
    if not address:
        return entry.hardware != "remote"
    try:
        return is_loopback(urlsplit(address).hostname or "")
    except ValueError:  # no address; the engine says so
        return False
