"""Keeps the texts of caption rooms in a folder while they change, and brings the rooms back after a restart."""

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streamsrv.captions import room_files
from streamsrv.captions.room import Caption, Room
from streamsrv.captions.room_files import MAX_FILE_BYTES, RoomRecord, path_of

logger = logging.getLogger(__name__)

GATHER_S = 0.2
"""Seconds for which changes are gathered before they are written; a crash of the process loses no more than these."""
TOUCH_S = 60.0
"""Seconds between two notes that the rooms with speakers are in use. Else one in which nobody spoke for long would be
too old after a crash."""
LOCK = "lock"
"""The file that one server holds, so that no other writes to the same folder."""


@dataclass(slots=True)
class _Kept:
    """What the file of a room has: the texts up to a number, and the record of the room."""

    key: str
    number: int = 0
    record: RoomRecord | None = None
    is_stale: bool = True
    """Whether the file must be written as a whole: it is new, too long, or a crash may have cut it."""
    has_failed: bool = False


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be written for a room."""

    room: Room
    kept: _Kept
    record: RoomRecord
    captions: list[Caption]
    """All that the room has if the file is stale, else the new ones."""


class RoomKeeper:
    """Writes what has changed in rooms, off the event loop.

    `delete_empty` removes the rooms that have ended. `tell` is told whether a room is kept after each attempt. There is
    no queue: a room's own history is what has not been written yet. What cannot be written is tried again.
    """

    def __init__(
        self,
        folder: Path,
        clock_ms: Callable[[], int],
        delete_empty: Callable[[], object],
        tell: Callable[[Room, bool], None],
    ) -> None:
        self.folder = folder
        self.problem = ""
        """Why rooms are not kept; empty while they are."""
        self._clock_ms = clock_ms
        self._delete_empty = delete_empty
        self._tell = tell
        self._rooms: dict[Room, _Kept] = {}
        self._changed: set[Room] = set()
        self._removed: set[str] = set()
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._lock: int | None = None

    @property
    def works(self) -> bool:
        """Whether the texts of a new room will be kept, as far as is known."""
        return self._lock is not None and not self.problem

    async def restore(self, max_rooms: int, keep_ms: int) -> list[Room]:
        """Return the rooms of the folder, and keep them. Without the folder's lock, nothing is read or written."""
        kept = await asyncio.to_thread(self._read, max_rooms, keep_ms)
        now_ms, now_at = self._clock_ms(), _now_at()
        rooms: list[Room] = []
        for found in kept:
            room = Room(found.record.name, found.record.key)
            room.title = found.record.title
            began_at = found.record.began_at
            began_ms = None if began_at is None else now_ms - max(0, now_at - began_at)
            room.restore(found.captions, began_ms, now_ms - max(0, now_at - found.changed_at))
            self._rooms[room] = _Kept(room.key)  # written when it changes, so that its age stays
            rooms.append(room)
        return rooms

    def mark(self, room: Room) -> None:
        """Note that a room has changed."""
        if self._lock is not None:
            self._changed.add(room)
            self._wake.set()

    def forget(self, room: Room) -> None:
        """Remove the file of a room that has ended."""
        self._changed.discard(room)
        if (kept := self._rooms.pop(room, None)) is not None:
            self._removed.add(kept.key)
            self._wake.set()

    async def run(self) -> None:
        """Write what changes, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(TOUCH_S):
                    await self._wake.wait()
                await asyncio.sleep(GATHER_S)
            except TimeoutError:
                self._delete_empty()
                await asyncio.to_thread(_touch, self._in_use())
            await self.flush()

    async def flush(self) -> None:
        """Write what has changed until now."""
        if self._lock is None:
            return
        async with self._writing:
            self._wake.clear()
            work = [planned for room in self._changed if (planned := self._plan(room)) is not None]
            removed, self._removed = self._removed, set()
            self._changed.clear()
            if not work and not removed:
                return
            writing = asyncio.ensure_future(asyncio.to_thread(self._write, work, removed))
            try:
                problem = await asyncio.shield(writing)
            except asyncio.CancelledError:
                await asyncio.wait([writing])
                raise
            self._say(problem)
            for done in work:
                if done.kept.is_stale and done.room in self._rooms:
                    self._changed.add(done.room)
                self._tell(done.room, not done.kept.has_failed)

    async def aclose(self) -> None:
        """Write the rest, and let another server use the folder."""
        if self._lock is not None:
            await self.flush()
            os.close(self._lock)
            self._lock = None

    def _in_use(self) -> list[Path]:
        in_use = (kept for room, kept in self._rooms.items() if room.speakers and kept.record is not None)
        return [path_of(self.folder, kept.key) for kept in in_use]

    def _plan(self, room: Room) -> _Work | None:
        kept = self._rooms.setdefault(room, _Kept(room.key))
        if kept.key != room.key:  # it was cleared
            self._removed.add(kept.key)
            kept = self._rooms[room] = _Kept(room.key)
        offset_ms = _now_at() - self._clock_ms()
        began_ms = room.began_ms
        if kept.record is not None and kept.record.began_at is not None and began_ms is not None:
            began_at = kept.record.began_at  # as the two clocks drift apart, it would change each time
        else:
            began_at = None if began_ms is None else began_ms + offset_ms
        record = RoomRecord(room.name, room.key, room.title, began_at)
        captions = room.finals_after(0 if kept.is_stale else kept.number)
        if not kept.is_stale and not captions and record == kept.record:
            return None
        return _Work(room, kept, record, captions)

    def _read(self, max_rooms: int, keep_ms: int) -> list[room_files.KeptRoom]:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _locked(self.folder / LOCK)
        except OSError as error:
            self._say(f"The caption rooms are not kept: {self.folder}: {error.strerror}.")
            return []
        return room_files.read_rooms(self.folder, max_rooms, keep_ms)

    def _write(self, work: list[_Work], removed: set[str]) -> str:
        """Do what is planned, on a thread; return what failed."""
        problem = ""
        for key in removed:
            try:
                room_files.remove(path_of(self.folder, key))
            except OSError as error:
                problem = f"The texts of a caption room that has ended cannot be removed: {error.strerror}."
                self._removed.add(key)
        for planned in work:
            try:
                self._write_room(planned)
                planned.kept.has_failed = False
            except OSError as error:
                planned.kept.is_stale = planned.kept.has_failed = True
                problem = f"The caption rooms are not kept: {self.folder}: {error.strerror}."
        return problem

    def _write_room(self, planned: _Work) -> None:
        kept, path = planned.kept, path_of(self.folder, planned.kept.key)
        write = room_files.write if kept.is_stale else room_files.append
        kept.is_stale = write(path, planned.record, planned.captions) > MAX_FILE_BYTES
        kept.record = planned.record
        if planned.captions:
            kept.number = planned.captions[-1].number

    def _say(self, problem: str) -> None:
        if problem and problem != self.problem:
            logger.error("%s", problem)
        elif self.problem and not problem:
            logger.warning("the caption rooms are kept again")
        self.problem = problem


def _locked(path: Path) -> int:
    """Return the descriptor of a file that no other process has locked; raises `OSError`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise OSError(error.errno, "another server keeps its rooms there") from None
    return descriptor


def _touch(paths: list[Path]) -> None:
    for path in paths:
        try:
            room_files.touch(path)
        except OSError as error:
            logger.warning("%s: %s", path, error.strerror)


def _now_at() -> int:
    return time.time_ns() // 1_000_000
