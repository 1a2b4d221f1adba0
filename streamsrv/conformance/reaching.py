"""Explains in one line why no session with a Realtime server can be opened or kept."""

import json
import os
import re
import ssl
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus

MAX_QUOTED = 300


def explain(error: Exception, url: str) -> str:
    """Return what the error means and what to do about it. `url`: the address that was to be reached."""
    match error:
        case InvalidStatus():
            said = f"{url} refuses a session: HTTP {error.response.status_code}"
            return _sentences(said, refusal(error), _hint(error.response.status_code))
        case InvalidMessage():
            return f"{url} is not a WebSocket of a Realtime server: it does not speak HTTP. Is it https:// or wss://?"
        case InvalidHandshake():
            return f"{url} is not a WebSocket of a Realtime server: {error}"
        case ConnectionClosed():
            return f"{url} ended the session: {error}"
        case ssl.SSLError():
            return f"{url} cannot be reached: {error.reason or error}. Is it http:// or ws://?"
        case TimeoutError():
            return f"{url} cannot be reached: it does not answer in time."
        case _:
            return f"{url} cannot be reached: {_reason(error)}; is the server running? (streamsrv serve)"


def refusal(error: InvalidStatus) -> str:
    """Return what the server said when it refused a connection."""
    body = (error.response.body or b"").decode(errors="replace")
    try:
        answer: Any = json.loads(body)
        return str(answer["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return " ".join((body or error.response.reason_phrase).split())[:MAX_QUOTED]


def _hint(status: int) -> str:
    match status:
        case 401:
            return "Give the API key with --key or STREAMSRV_KEY."
        case 403 | 404:  # ASGI servers answer 403 for a WebSocket whose path they do not know
            return "Is the URL right? That of a Realtime server ends with /v1 or /v1/realtime."
        case _:
            return ""


def _reason(error: Exception) -> str:
    """Return the reason alone: asyncio puts addresses, and several errors, into one message."""
    number = re.search(r"\[Errno (-?\d+)\]", str(error))
    if number and int(number[1]) > 0:
        return os.strerror(int(number[1]))
    return str(getattr(error, "strerror", None) or error)


def _sentences(*parts: str) -> str:
    """Join parts that are not empty, each as a sentence."""
    return " ".join(part if part[-1] in ".!?" else f"{part}." for part in parts if part)
