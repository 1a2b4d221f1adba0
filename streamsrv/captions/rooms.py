"""The caption rooms of a server: who speaks in which, and how viewers learn of news."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from streamsrv.captions.room import Cursor, Room
from streamsrv.realtime.errors import ProtocolError

HEARTBEAT_S = 15.0
"""A comment is sent when there was no news for so long: proxies cut what is silent, viewers tell quiet from dead."""
HEARTBEAT = b":\n\n"


@dataclass(slots=True)
class OpenRoom:
    """A room and those who watch it."""

    room: Room
    closed: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def wake_viewers(self) -> None:
        """There is something new."""
        self._news.set()
        self._news = asyncio.Event()

    def close(self) -> None:
        """The room is forgotten: its viewers leave."""
        self.closed = True
        self.wake_viewers()

    async def watch(self, cursor: Cursor) -> AsyncGenerator[bytes, None]:
        """Server-sent events from `cursor` on until the room is closed; all viewers share the bytes of an event.

        What is yielded is as new as the moment it is asked for: a viewer who is slow to ask gets the latest.
        """
        while not self.closed:
            news, cursor = self.room.since(cursor)
            if news:
                yield news[0] if len(news) == 1 else b"".join(news)
                continue
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._news.wait()
            except TimeoutError:
                yield HEARTBEAT


class Rooms:
    """At most `most` rooms; one without a speaker for longer than `keep_ms` is forgotten. `now_ms`: a steady clock."""

    def __init__(self, most: int, keep_ms: int, new_key: Callable[[], str]) -> None:
        self._most = most
        self._keep_ms = keep_ms
        self._new_key = new_key
        self._rooms: dict[str, OpenRoom] = {}
        self.viewers = 0

    def find(self, name: str, now_ms: int) -> OpenRoom | None:
        """The room of this name, if somebody speaks in it or did not too long ago."""
        self._forget_empty(now_ms)
        return self._rooms.get(name)

    def open(self, name: str, now_ms: int) -> OpenRoom:
        """The room of this name, new if there is none; raises `ProtocolError` when there are too many."""
        self._forget_empty(now_ms)
        if name not in self._rooms:
            if len(self._rooms) >= self._most:
                message = f"All {self._most} caption rooms of this server are in use: '{name}' cannot be opened."
                raise ProtocolError("caption_room_limit_reached", message, "session.streamsrv.captions.room")
            self._rooms[name] = OpenRoom(Room(name, self._new_key()))
        return self._rooms[name]

    def close(self) -> None:
        """The server stops: all viewers leave."""
        for opened in self._rooms.values():
            opened.close()

    def _forget_empty(self, now_ms: int) -> None:
        for name, opened in list(self._rooms.items()):
            if opened.room.speakers == 0 and now_ms - opened.room.empty_since_ms > self._keep_ms:
                del self._rooms[name]
                opened.close()
