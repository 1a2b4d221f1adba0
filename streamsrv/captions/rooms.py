"""Opens and finds the caption rooms of a server, and wakes viewers when a room changes."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from streamsrv.captions.events import event
from streamsrv.captions.keeper import RoomKeeper
from streamsrv.captions.room import Cursor, Room
from streamsrv.protocol.errors import ProtocolError
from streamsrv.token_bucket import TokenBucket

HEARTBEAT_S = 15.0
"""Seconds without an event after which a comment is sent. Proxies close silent connections, and viewers must know that
the connection works."""
HEARTBEAT = b":\n\n"
COUNT_S = 1.0
"""Least seconds between two events with the number of viewers."""
MAX_CLEARED_ROOMS = 1000
"""Names of rooms that have ended, of which it is known what was cleared; then the oldest is forgotten."""
MAX_CHANGES = 10
"""Corrections and clears of a room at once; `CHANGES_PER_S` more are accepted each second."""
CHANGES_PER_S = 2.0


class Broadcast:
    """Wakes all tasks that wait for the next change."""

    def __init__(self) -> None:
        self._notified = asyncio.Event()

    def notify(self) -> None:
        self._notified.set()
        self._notified = asyncio.Event()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for the next `notify`; return False if there is none in this time."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._notified.wait()
        except TimeoutError:
            return False


@dataclass(slots=True)
class OpenRoom:
    """A room and the broadcast that wakes its viewers. `mark` notes that it is to be written to the disk."""

    room: Room
    mark: Callable[[Room], None] = lambda _: None
    is_open: bool = True
    viewers: int = 0
    """Viewers that read now; speakers who watch their own room are not counted."""
    news: Broadcast = field(default_factory=Broadcast)
    changes: TokenBucket = field(default_factory=lambda: TokenBucket(CHANGES_PER_S, MAX_CHANGES))
    """Limits corrections and clears, each of which is an event for all viewers."""

    def changed(self) -> None:
        """Tell the viewers, and the disk, that the room has changed."""
        self.news.notify()
        self.mark(self.room)

    async def watch(self, cursor: Cursor) -> AsyncGenerator[bytes, None]:
        """Yield server-sent events from `cursor` on until the room is closed; all viewers share the bytes of an event.

        Each event is made when the viewer asks for it, so that a slow viewer gets the latest state.
        """
        self.viewers += 1
        try:
            while self.is_open:
                news, cursor = self.room.since(cursor)
                if news:
                    yield news[0] if len(news) == 1 else b"".join(news)
                elif not await self.news.wait(HEARTBEAT_S):
                    yield HEARTBEAT
        finally:
            self.viewers -= 1

    async def watch_as_speaker(self, cursor: Cursor) -> AsyncGenerator[bytes, None]:
        """Yield the same, and the number of viewers, but no more often than every `COUNT_S`."""
        clock, told = asyncio.get_running_loop().time, -1
        told_s = sent_s = -COUNT_S
        while self.is_open:
            news, cursor = self.room.since(cursor)
            if self.viewers != told and clock() - told_s >= COUNT_S:
                told, told_s = self.viewers, clock()
                news.append(event("viewers", {"viewers": told}))
            elif not news and clock() - sent_s >= HEARTBEAT_S:
                news.append(HEARTBEAT)
            if news:
                sent_s = clock()
                yield b"".join(news)
            else:
                await self.news.wait(COUNT_S)

    def close(self) -> None:
        self.is_open = False
        self.news.notify()


class Rooms:
    """Holds at most `max_rooms` rooms. A room without speakers is deleted after `keep_ms`.

    `folder`: where their texts are kept, so that they outlive a restart; None: nowhere.
    """

    def __init__(
        self,
        max_rooms: int,
        keep_ms: int,
        new_key: Callable[[], str],
        clock_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
        folder: Path | None = None,
    ) -> None:
        self.clock_ms = clock_ms
        self.viewers = 0
        self.keeper = None if folder is None else RoomKeeper(folder, clock_ms, self._delete_empty, self._tell_kept)
        self._max_rooms = max_rooms
        self._keep_ms = keep_ms
        self._new_key = new_key
        self._rooms: dict[str, OpenRoom] = {}
        self._cleared: dict[str, tuple[str, ...]] = {}
        """The keys that were cleared in rooms that have ended: a viewer may come back only then."""
        self._opened = Broadcast()
        self._stopping = False

    async def restore(self) -> None:
        """Bring back the rooms that were kept before the server started."""
        if self.keeper is not None:
            for room in await self.keeper.restore(self._max_rooms, self._keep_ms):
                self._add(room)

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

    def open(self, name: str, param: str = "session.streamsrv.captions.room") -> OpenRoom:
        """Return the room of this name, opening it if necessary.

        Raises `ProtocolError` for the field `param` if all rooms are in use.
        """
        self._delete_empty()
        if name not in self._rooms:
            if len(self._rooms) >= self._max_rooms:
                message = f"All {self._max_rooms} caption rooms of this server are in use: '{name}' cannot be opened."
                raise ProtocolError("caption_room_limit_reached", message, param)
            self._add(Room(name, self._new_key(), self._cleared.pop(name, ())))
        return self._rooms[name]

    def clear(self, opened: OpenRoom) -> None:
        """Remove all texts of a room, for its viewers, too."""
        opened.room.clear(self._new_key(), self.clock_ms())
        opened.changed()

    def _add(self, room: Room) -> None:
        keeper = self.keeper
        room.keep(keeper is not None and keeper.works)
        self._rooms[room.name] = OpenRoom(room) if keeper is None else OpenRoom(room, keeper.mark)
        self._opened.notify()

    def _tell_kept(self, room: Room, is_kept: bool) -> None:
        opened = self._rooms.get(room.name)
        if opened is not None and opened.room is room and room.is_kept != is_kept:
            room.keep(is_kept)
            opened.news.notify()

    async def watch(
        self, name: str, last_event_id: str = "", *, as_speaker: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """Yield the server-sent events of a room until the server stops; wait for the room if it is not open.

        `last_event_id` is the id of the last final text that a returning viewer has received. `as_speaker`: the reader
        does not count as a viewer, and is told how many there are.
        """
        while not self._stopping:
            if (opened := self.find(name)) is not None:
                watch = opened.watch_as_speaker if as_speaker else opened.watch
                async with aclosing(watch(opened.room.cursor_of(last_event_id))) as news:
                    async for message in news:
                        yield message
                continue
            yield Room(name, "", self._cleared.get(name, ())).status_event
            while self.find(name) is None and not self._stopping:
                if not await self._opened.wait(HEARTBEAT_S):
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
                self._remember(opened.room)
                if self.keeper is not None:
                    self.keeper.forget(opened.room)

    def _remember(self, ended: Room) -> None:
        if ended.cleared:
            self._cleared[ended.name] = ended.cleared
            if len(self._cleared) > MAX_CLEARED_ROOMS:
                del self._cleared[next(iter(self._cleared))]
