"""A session with the server under test."""

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamsrv.conformance.recorder import Recorder
from streamsrv.conformance.shapes import Event
from streamsrv.conformance.violations import Violation, require

MAX_FRAME_BYTES = 32 * 1024 * 1024
PIECE_BYTES = 4_800
"""Bytes of audio in one append: 100 ms of PCM at 24 kHz."""


@dataclass(frozen=True, slots=True)
class Target:
    """The server under test. `patience_s`: longest wait for an expected event, in seconds."""

    url: str
    key: str = ""
    model: str = ""
    patience_s: float = 30.0

    @classmethod
    def parse(cls, url: str, key: str = "", model: str = "", patience_s: float = 30.0) -> Self:
        """Make a target from a base URL such as `http://host:8000/v1` or a WebSocket URL. Raises `ValueError`."""
        wrong = f"'{url}' is not a URL of a server: give http(s)://host:port/v1 or ws(s)://.../realtime"
        schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port
        except ValueError as error:
            raise ValueError(wrong) from error
        if parts.scheme not in schemes or not parts.hostname or port == 0:
            raise ValueError(wrong)
        path = parts.path.rstrip("/")
        if not path.endswith("/realtime"):
            path = f"{path or '/v1'}/realtime"
        named = dict(parse_qsl(parts.query)).get("model", "")
        query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name != "model"])
        address = urlunsplit((schemes[parts.scheme], parts.netloc, path, query, ""))
        return cls(address, key, model or named, patience_s)

    def address(self, **query: str) -> str:
        """Return the WebSocket URL with this query, or with the model if no query is given."""
        asked = query or ({"model": self.model} if self.model else {})
        joint = "&" if "?" in self.url else "?"
        return f"{self.url}{joint}{urlencode(asked)}" if asked else self.url

    def within(self, patience_s: float) -> "Target":
        """Return the same server with another `patience_s`."""
        return replace(self, patience_s=patience_s)


class Session:
    """One connection. Checks the shape of every event that it receives."""

    def __init__(self, connection: ClientConnection, target: Target) -> None:
        self._connection = connection
        self._patience_s = target.patience_s
        self._numbers = itertools.count(1)
        self.recorder = Recorder()

    @property
    def events(self) -> list[Event]:
        """All events received so far."""
        return self.recorder.events

    def all(self, event_type: str) -> list[Event]:
        """The events of one type received so far."""
        return [event for event in self.events if event["type"] == event_type]

    async def send(self, event_type: str, **fields: Any) -> str:
        """Send an event; return its `event_id`."""
        event_id = f"check_{next(self._numbers)}"
        await self.send_text(json.dumps({"type": event_type, "event_id": event_id, **fields}))
        return event_id

    async def send_text(self, text: str) -> None:
        """Send a text frame unchanged."""
        await self._connection.send(text)

    async def until(self, *event_types: str, errors: bool = False) -> Event:
        """Receive events until one of these types comes, and return it. Any other `error` event is a violation."""
        wanted = " or ".join(event_types)
        try:
            async with asyncio.timeout(self._patience_s):
                while True:
                    event = self.recorder.take(await self._connection.recv())
                    if event["type"] in event_types:
                        return event
                    if event["type"] == "error" and not errors:
                        raise Violation(f"Expected {wanted}, received the error {_quote(event)}.")
        except TimeoutError:
            last = self.events[-1]["type"] if self.events else "nothing"
            raise Violation(f"No {wanted} came within {self._patience_s:g} s; the last event was {last}.") from None
        except ConnectionClosed as closed:
            raise Violation(f"The server closed the connection instead of sending {wanted}: {closed}.") from None

    async def refused(self, event_id: str | None, instead_of: str = "error") -> Event:
        """Return the `error` that answers an event. It is a violation if `instead_of` comes: the event was accepted."""
        event = await self.until("error", instead_of)
        require(event["type"] == "error", f"There was no error; the server accepted the event with {event['type']}.")
        error: Event = event["error"]
        require(isinstance(error.get("message"), str) and error["message"], "The error has no message.")
        answers = error.get("event_id")
        require(answers == event_id, f"The error's event_id is {answers!r}; the event had {event_id!r}.")
        return error

    async def update(self, **session: Any) -> Event:
        """Update the session; return the session of `session.updated`."""
        await self.send("session.update", session={"type": "realtime", **session})
        return (await self.until("session.updated"))["session"]

    async def write(self, text: str, **fields: Any) -> Event:
        """Add a user message; return the item of `conversation.item.done`."""
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content, **fields}
        await self.send("conversation.item.create", item=item)
        return (await self.until("conversation.item.done"))["item"]

    async def respond(self, **response: Any) -> Event:
        """Request a response; return it when it is done."""
        await self.send("response.create", response=response)
        return (await self.until("response.done"))["response"]

    async def append(self, audio: bytes) -> None:
        """Append audio in pieces, as fast as the server takes it."""
        for start in range(0, len(audio), PIECE_BYTES):
            await self.append_whole(audio[start : start + PIECE_BYTES])

    async def append_whole(self, audio: bytes) -> None:
        """Append audio in one event."""
        await self.send("input_audio_buffer.append", audio=base64.b64encode(audio).decode())

    def audio(self) -> bytes:
        """Return all audio of the replies so far."""
        return b"".join(base64.b64decode(event["delta"]) for event in self.all("response.output_audio.delta"))


@asynccontextmanager
async def opening(target: Target, **query: str) -> AsyncGenerator[Session]:
    """Open a session and wait for `session.created`; check the order of its events at the end."""
    connection = await _connect(target, target.address(**query))
    async with connection:
        session = Session(connection, target)
        await session.until("session.created")
        yield session
        session.recorder.check_order()


async def _connect(target: Target, address: str) -> ClientConnection:
    """Connect. While the server is full (503), try again after its `Retry-After` until `patience_s` are over."""
    headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
    waited_s = 0.0
    while True:
        try:
            return await connect(
                address, additional_headers=headers, max_size=MAX_FRAME_BYTES, compression=None, process_exception=_fail
            )
        except InvalidStatus as error:
            delay_s = _retry_after_s(error)
            if delay_s is None or waited_s + delay_s > target.patience_s:
                raise
            await asyncio.sleep(delay_s)
            waited_s += delay_s


def _fail(error: Exception) -> Exception:
    """Leave every retry to `_connect`."""
    return error


def _retry_after_s(error: InvalidStatus) -> float | None:
    """Return the seconds of `Retry-After` of a server that is full; None for any other refusal."""
    if error.response.status_code != 503:
        return None
    given = error.response.headers.get("Retry-After", "1")
    return max(float(given), 0.1) if given.isdigit() else 1.0


def _quote(event: Event) -> str:
    error = event["error"]
    return f"{error.get('code')}: {error.get('message')}"
