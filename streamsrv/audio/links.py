"""Finds the links of a recording made of several Ogg or FLAC files, one after the other.

FFmpeg refuses an Ogg chain whose channels change, and reads the audio around a second FLAC header twice.
Source: RFC 3533, sections 4 and 6; RFC 9639, sections 6 and 8.
"""

import io
import os
import re
from collections.abc import Iterator
from typing import BinaryIO

_OGG_PAGE, _FLAC_STREAM = b"OggS", b"fLaC"
_HEADER_BYTES = 27
_FLAGS, _SEGMENTS = 5, 26
_BEGINS_STREAM = 0x02
_FLAC_START = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
"""The marker and the header of the first metadata block, which always has 34 bytes."""
_CHUNK_BYTES = 1024 * 1024


def links(file: BinaryIO) -> Iterator[BinaryIO]:
    """Yield each link as a separate file. A file of one link, or of another kind, is yielded unchanged."""
    file.seek(0)
    kind = file.read(len(_OGG_PAGE))
    starts = list(_ogg_starts(file) if kind == _OGG_PAGE else _flac_starts(file) if kind == _FLAC_STREAM else ())
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    if len(starts) < 2:
        yield file
        return
    for start, stop in zip(starts, [*starts[1:], end], strict=True):
        yield io.BufferedReader(_Section(file, start, stop))


def _ogg_starts(file: BinaryIO) -> Iterator[int]:
    """Offsets of pages that begin a stream after a page that does not; the search ends at the first damage."""
    position, previous_begins = file.seek(0), False
    while (header := file.read(_HEADER_BYTES)).startswith(_OGG_PAGE) and len(header) == _HEADER_BYTES:
        begins = bool(header[_FLAGS] & _BEGINS_STREAM)
        if begins and not previous_begins:
            yield position
        previous_begins = begins
        lengths = file.read(header[_SEGMENTS])
        position = file.seek(position + _HEADER_BYTES + len(lengths) + sum(lengths))


def _flac_starts(file: BinaryIO) -> Iterator[int]:
    position, tail = file.seek(0), b""
    while chunk := file.read(_CHUNK_BYTES):
        text = tail + chunk
        yield from (position - len(tail) + found.start() for found in _FLAC_START.finditer(text))
        position += len(chunk)
        tail = text[-7:]  # one byte less than a match has


class _Section(io.RawIOBase):
    """The bytes of a file from `start` to `stop`."""

    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        self._file = file
        self._start = start
        self._length = stop - start
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        count = max(0, min(len(buffer), self._length - self._position))
        self._file.seek(self._start + self._position)
        data = self._file.read(count)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
