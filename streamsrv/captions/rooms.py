"""The caption rooms of a server: who speaks in which, and how viewers learn of news."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from streamsrv.captions.room import Cursor, Room, room_event
from streamsrv.protocol.errors import ProtocolError

HEARTBEAT_S = 15.0
"""A comment is sent when there was no news for so long: proxies cut what is silent, viewers tell quiet from dead."""
HEARTBEAT = b":\n\n"


class Bell:
    """Wakes all who wait for it."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()

    async def wait(self) -> bool:
        """Whether it was rung before it was time for a heartbeat."""
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                return await self._rung.wait()
        except TimeoutError:
            return False


@dataclass(slots=True)
class OpenRoom:
    """A room and the bell of those who watch it."""

    room: Room
    is_open: bool = True
    bell: Bell = field(default_factory=Bell)

    async def watch(self, cursor: Cursor) -> AsyncGenerator[bytes, None]:
        """Server-sent events from `cursor` on until the room is forgotten; all viewers share the bytes of an event.

        What is yielded is as new as the moment it is asked for: a viewer who is slow to ask gets the latest.
        """
        while self.is_open:
            news, cursor = self.room.since(cursor)
            if news:
                yield news[0] if len(news) == 1 else b"".join(news)
            elif not await self.bell.wait():
                yield HEARTBEAT

    def close(self) -> None:
        self.is_open = False
        self.bell.ring()


class Rooms:
    """At most `most` rooms. One without a speaker is forgotten after `keep_ms` of `clock_ms`, a steady clock."""

    def __init__(
        self,
        most: int,
        keep_ms: int,
        new_key: Callable[[], str],
        clock_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
    ) -> None:
        self.clock_ms = clock_ms
        self.viewers = 0
        self._most = most
        self._keep_ms = keep_ms
        self._new_key = new_key
        self._rooms: dict[str, OpenRoom] = {}
        self._opened = Bell()
        self._stopping = False

    def find(self, name: str) -> OpenRoom | None:
        """The room of this name, if somebody speaks in it or did not too long ago."""
        self._forget_empty()
        return self._rooms.get(name)

    def open(self, name: str) -> OpenRoom:
        """The room of this name, new if there is none; raises `ProtocolError` when there are too many."""
        self._forget_empty()
        if name not in self._rooms:
            if len(self._rooms) >= self._most:
                message = f"All {self._most} caption rooms of this server are in use: '{name}' cannot be opened."
                raise ProtocolError("caption_room_limit_reached", message, "session.streamsrv.captions.room")
            self._rooms[name] = OpenRoom(Room(name, self._new_key()))
            self._opened.ring()
        return self._rooms[name]

    async def watch(self, name: str, last_event_id: str = "") -> AsyncGenerator[bytes, None]:
        """Server-sent events of the room of this name for as long as the server runs, whether it is open yet or not.

        `last_event_id`: of the last final text that a viewer has seen, who comes back.
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
        """The server stops: all viewers leave."""
        self._stopping = True
        self._opened.ring()
        for opened in self._rooms.values():
            opened.close()

    def _forget_empty(self) -> None:
        for name, opened in list(self._rooms.items()):
            if opened.room.speakers == 0 and self.clock_ms() - opened.room.empty_since_ms > self._keep_ms:
                del self._rooms[name]
                opened.close()
