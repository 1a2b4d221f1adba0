"""Reads what an ONNX file says about itself, without loading it: large models take seconds and twice their size."""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Numbers of fields in onnx.proto.
_GRAPH, _METADATA = 7, 14
_GRAPH_INPUT = 11
_VALUE_NAME = 1
_KEY, _VALUE = 1, 2


@dataclass(frozen=True, slots=True)
class OnnxHeader:
    """The names of a model's inputs, in order, and its own metadata."""

    inputs: tuple[str, ...]
    metadata: dict[str, str]


def read_header(path: Path) -> OnnxHeader:
    """Read the header of an ONNX file. Raises `ValueError` if it is truncated or no ONNX file, and `OSError`."""
    inputs: list[str] = []
    metadata: dict[str, str] = {}
    graphs = 0
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for number, begin, end in _fields(data, 0, len(data)):
                if number == _GRAPH:
                    graphs += 1
                    fields = _fields(data, begin, end)
                    inputs += [_text(data, at, stop, _VALUE_NAME) for part, at, stop in fields if part == _GRAPH_INPUT]
                elif number == _METADATA:
                    metadata[_text(data, begin, end, _KEY)] = _text(data, begin, end, _VALUE)
    except (ValueError, IndexError) as error:  # an empty file cannot be mapped
        raise ValueError(f"{path} is truncated or no ONNX file") from error
    if not graphs:
        raise ValueError(f"{path} is no ONNX file: it has no graph")
    return OnnxHeader(tuple(inputs), metadata)


def _text(data: mmap.mmap, begin: int, end: int, wanted: int) -> str:
    """Return the text in field `wanted` of the message between `begin` and `end`."""
    for number, start, stop in _fields(data, begin, end):
        if number == wanted:
            return data[start:stop].decode()
    return ""


def _fields(data: mmap.mmap, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the number, begin and end of each field of the message between `begin` and `end`; raises `ValueError`."""
    at = begin
    while at < end:
        tag, at = _varint(data, at)
        match tag & 7:
            case 0:
                start = at
                _, at = _varint(data, at)
            case 1:
                start, at = at, at + 8
            case 2:
                length, start = _varint(data, at)
                at = start + length
            case 5:
                start, at = at, at + 4
            case kind:
                raise ValueError(f"wire type {kind}")
        if at > end:
            raise ValueError("a field is longer than its message")
        yield tag >> 3, start, at


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    """Return the number that begins at `at`, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number has too many bytes")
