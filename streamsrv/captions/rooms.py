"""Opens and finds the caption rooms of a server, and wakes viewers when a room changes."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from streamsrv.captions.room import Cursor, Room, room_event
from streamsrv.protocol.errors import ProtocolError

HEARTBEAT_S = 15.0
"""Seconds without an event after which a comment is sent. Proxies close silent connections, and viewers must know that
the connection works."""
HEARTBEAT = b":\n\n"


class Broadcast:
    """Wakes all tasks that wait for the next change."""

    def __init__(self) -> None:
        self._notified = asyncio.Event()

    def notify(self) -> None:
        self._notified.set()
        self._notified = asyncio.Event()

    async def wait(self) -> bool:
        """Wait for the next `notify`; return False if a heartbeat is due first."""
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                return await self._notified.wait()
        except TimeoutError:
            return False


@dataclass(slots=True)
class OpenRoom:
    """A room and the broadcast that wakes its viewers."""

    room: Room
    is_open: bool = True
    news: Broadcast = field(default_factory=Broadcast)

    async def watch(self, cursor: Cursor) -> AsyncGenerator[bytes, None]:
        """Yield server-sent events from `cursor` on until the room is closed; all viewers share the bytes of an event.

        Each event is made when the viewer asks for it, so that a slow viewer gets the latest state.
        """
        while self.is_open:
            news, cursor = self.room.since(cursor)
            if news:
                yield news[0] if len(news) == 1 else b"".join(news)
            elif not await self.news.wait():
                yield HEARTBEAT

    def close(self) -> None:
        self.is_open = False
        self.news.notify()


class Rooms:
    """Holds at most `max_rooms` rooms. A room without speakers is deleted after `keep_ms`."""

    def __init__(
        self,
        max_rooms: int,
        keep_ms: int,
        new_key: Callable[[], str],
        clock_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
    ) -> None:
        self.clock_ms = clock_ms
        self.viewers = 0
        self._max_rooms = max_rooms
        self._keep_ms = keep_ms
        self._new_key = new_key
        self._rooms: dict[str, OpenRoom] = {}
        self._opened = Broadcast()
        self._stopping = False

    def limit(self, max_rooms: int, keep_ms: int) -> None:
        """Change the limits. Rooms that are open stay open, also if there are now too many."""
        self._max_rooms = max_rooms
        self._keep_ms = keep_ms

    @property
    def count(self) -> int:
        """The number of rooms."""
        self._delete_empty()
        return len(self._rooms)

    def find(self, name: str) -> OpenRoom | None:
        """Return the room of this name if it is open."""
        self._delete_empty()
        return self._rooms.get(name)

    def open(self, name: str) -> OpenRoom:
        """Return the room of this name, opening it if necessary. Raises `ProtocolError` if all rooms are in use."""
        self._delete_empty()
        if name not in self._rooms:
            if len(self._rooms) >= self._max_rooms:
                message = f"All {self._max_rooms} caption rooms of this server are in use: '{name}' cannot be opened."
                raise ProtocolError("caption_room_limit_reached", message, "session.streamsrv.captions.room")
            self._rooms[name] = OpenRoom(Room(name, self._new_key()))
            self._opened.notify()
        return self._rooms[name]

    async def watch(self, name: str, last_event_id: str = "") -> AsyncGenerator[bytes, None]:
        """Yield the server-sent events of a room until the server stops; wait for the room if it is not open.

        `last_event_id` is the id of the last final text that a returning viewer has received.
        """
        while not self._stopping:
            if (opened := self.find(name)) is not None:
                async with aclosing(opened.watch(opened.room.cursor_of(last_event_id))) as news:
                    async for message in news:
                        yield message
                continue
            yield room_event({"room": name, "key": "", "title": "", "live": 0})
            while self.find(name) is None and not self._stopping:
                if not await self._opened.wait():
                    yield HEARTBEAT

    def stop(self) -> None:
        """End the streams of all viewers at shutdown."""
        self._stopping = True
        self._opened.notify()
        for opened in self._rooms.values():
            opened.close()

    def _delete_empty(self) -> None:
        for name, opened in list(self._rooms.items()):
            if opened.room.speakers == 0 and self.clock_ms() - opened.room.empty_since_ms > self._keep_ms:
                del self._rooms[name]
                opened.close()
