"""The files in which the texts of caption rooms outlive a restart: one for each room, to which lines are appended.

A file is named after the key of its room, not after the room, so that no name reaches the file system. Its first line
is a `RoomRecord`, the others are more of them or `CaptionRecord`s, of which a later one replaces an earlier one of the
same item. The functions block. Those that write raise `OSError`; those that read never fail.
"""

import logging
import os
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec

from streamsrv.captions.room import Caption, KeptCaption
from streamsrv.engines.asr.base import RecognizedUtterance, Word
from streamsrv.protocol.session_object import ROOM_NAME

logger = logging.getLogger(__name__)

MAX_FILE_BYTES = 16 * 1024 * 1024
"""Longest file of a room. A longer one is written anew, without the oldest texts if they take more than half."""
MAX_FOLDER_ENTRIES = 10_000
"""Files of a folder that are looked at when the server starts."""
_NAME = re.compile(r"room-([0-9a-f]{8})\.jsonl")
_NEW = ".new"
"""End of the name of a file that is not complete yet. What a crash leaves is removed at the next start."""
_UNFINISHED = re.compile(rf"room-[0-9a-f]{{8}}{re.escape(_NEW)}")


class RoomRecord(msgspec.Struct, frozen=True, tag="room", tag_field="kind"):
    """What is kept of a room. `began_at`: when its time began, in Unix ms; None: it has no texts yet."""

    name: Annotated[str, msgspec.Meta(pattern=ROOM_NAME)]
    key: str
    title: str
    began_at: int | None


class CaptionRecord(msgspec.Struct, frozen=True, tag="caption", tag_field="kind", omit_defaults=True):
    """A final text; times are ms of the room, words are `[text, start, end]`."""

    number: int
    item_id: str
    speaker: str
    text: str
    start: int
    end: int
    words: list[tuple[str, int, int]] = []
    language: str | None = None
    translated_to: str | None = None
    corrected: bool = False


@dataclass(frozen=True, slots=True)
class KeptRoom:
    """A room that was found in a file; `changed_at`: when the file was last written, in Unix ms."""

    record: RoomRecord
    captions: list[KeptCaption]
    changed_at: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(RoomRecord | CaptionRecord).decode


def path_of(folder: Path, key: str) -> Path:
    return folder / f"room-{key}.jsonl"


def append(path: Path, record: RoomRecord, captions: Sequence[Caption]) -> int:
    """Write more lines to a file, to the disk; return its size."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "ab") as file:
        file.write(_lines(record, captions))
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def write(path: Path, record: RoomRecord, captions: Sequence[Caption]) -> int:
    """Write a file as a whole, so that after a crash it has its old or its new content; return its size."""
    kept, size = list[bytes](), 0
    for caption in reversed(captions):
        line = _line(_record_of(caption))
        size += len(line)
        if size > MAX_FILE_BYTES // 2:
            break
        kept.append(line)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_suffix(_NEW)
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(b"".join((_line(record), *reversed(kept))))
        file.flush()
        os.fsync(file.fileno())
        size = file.tell()
    new.replace(path)
    _sync(path.parent)
    return size


def remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def touch(path: Path) -> None:
    """Note that the room is in use."""
    os.utime(path)


def read_rooms(folder: Path, max_rooms: int, keep_ms: int) -> list[KeptRoom]:
    """Return the newest rooms of a folder, one for each name; remove those that are too old or too many.

    Files that cannot be read are left until they are too old. Other files are not looked at.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, MAX_FOLDER_ENTRIES)]
    except FileNotFoundError:
        return []
    except OSError as error:
        logger.error("the caption rooms in %s cannot be read: %s", folder, error.strerror)
        return []
    for name in names:
        if _UNFINISHED.fullmatch(name):
            _remove_quietly(folder / name)
    found = [room for name in names if _NAME.fullmatch(name) and (room := _read(folder / name, keep_ms)) is not None]
    found.sort(key=lambda room: room.changed_at, reverse=True)
    newest: dict[str, KeptRoom] = {}
    for room in found:
        if room.record.name in newest or len(newest) >= max_rooms:
            _remove_quietly(path_of(folder, room.record.key))
        else:
            newest[room.record.name] = room
    return list(newest.values())


def _read(path: Path, keep_ms: int) -> KeptRoom | None:
    """Return the room of a file; None if it is too old, which removes it, or cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            changed_at = os.fstat(file.fileno()).st_mtime_ns // 1_000_000
            if time.time() * 1000 - changed_at > keep_ms:
                _remove_quietly(path)
                return None
            content = file.read(2 * MAX_FILE_BYTES)
    except OSError as error:
        logger.warning("the caption room in %s cannot be read: %s", path, error.strerror)
        return None
    room: RoomRecord | None = None
    captions: dict[str, KeptCaption] = {}
    for line in content.split(b"\n"):
        try:
            record = _decode(line)
        except ValueError:  # msgspec's errors are ValueErrors; a crash can cut the last line
            continue
        if isinstance(record, RoomRecord):
            room = record
        else:
            captions[record.item_id] = _caption_of(record)
    key = _NAME.fullmatch(path.name)
    if room is None or key is None or room.key != key[1]:
        logger.warning("the caption room in %s cannot be read: it has no line about its room", path)
        return None
    in_order = sorted(captions.values(), key=lambda caption: caption.number)
    return KeptRoom(room, in_order, changed_at)


def _lines(record: RoomRecord, captions: Iterable[Caption]) -> bytes:
    return b"".join((_line(record), *(_line(_record_of(caption)) for caption in captions)))


def _line(record: RoomRecord | CaptionRecord) -> bytes:
    return _encode(record) + b"\n"


def _record_of(caption: Caption) -> CaptionRecord:
    said = caption.utterance
    words = [(word.text, word.start_ms, word.end_ms) for word in said.words]
    return CaptionRecord(
        caption.number,
        caption.item_id,
        caption.speaker,
        said.text,
        said.start_ms,
        said.end_ms,
        words,
        said.language,
        said.translated_to,
        caption.is_corrected,
    )


def _caption_of(record: CaptionRecord) -> KeptCaption:
    words = tuple(Word(*word) for word in record.words)
    said = RecognizedUtterance(
        record.text, record.start, record.end, words, record.language, translated_to=record.translated_to
    )
    return KeptCaption(record.number, record.item_id, record.speaker, said, record.corrected)


def _remove_quietly(path: Path) -> None:
    try:
        remove(path)
    except OSError as error:
        logger.warning("%s cannot be removed: %s", path, error.strerror)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
