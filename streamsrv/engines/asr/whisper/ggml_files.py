"""Reads what a ggml file of whisper.cpp says about its model, and refuses one that is cut off: the library would crash.

The format is that of whisper.cpp (`models/convert-pt-to-ggml.py`): little-endian, a header, mel filters, a vocabulary,
then each tensor with its number of dimensions, length of name, type, dimensions, name and data.
"""

import math
import struct
from dataclasses import dataclass
from io import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO

MAGIC = 0x67676D6C
HEADER = "<11i"
"""Numbers after the magic: tokens; audio context, width, heads and layers of the encoder; text context, width, heads
and layers of the decoder; mel bands; type."""
_MULTILINGUAL_TOKENS = 51_865
_BLOCKS = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    10: (256, 84),
    11: (256, 110),
    12: (256, 144),
    13: (256, 176),
    14: (256, 210),
}
"""Values and bytes of a block by ggml's number of a type: float32, float16, then the quantised ones."""


@dataclass(frozen=True, slots=True)
class GgmlFacts:
    """The sizes of a model."""

    tokens: int
    width: int
    """Numbers per vector: 384 in Whisper tiny, 512 in base, 768 in small, 1024 in medium, 1280 in large."""
    decoder_layers: int

    @property
    def is_multilingual(self) -> bool:
        return self.tokens >= _MULTILINGUAL_TOKENS


def read_ggml(path: Path) -> GgmlFacts:
    """Read the sizes of a model, and check that the file has all of its tensors.

    Raises `ValueError` or `OSError`, which name the file and what is wrong.
    """
    with path.open("rb") as file:
        size = file.seek(0, SEEK_END)
        file.seek(0)
        if _unpack(file, "<I", path) != (MAGIC,):
            raise ValueError(f"{path} is no ggml file of whisper.cpp")
        tokens, _, width, _, _, _, _, _, decoder_layers, _, _ = _unpack(file, HEADER, path)
        bands, bins = _unpack(file, "<2i", path)
        file.seek(4 * bands * bins, 1)
        (words,) = _unpack(file, "<i", path)
        for _ in range(words):
            (length,) = _unpack(file, "<i", path)
            file.seek(length, 1)
        count = 0
        while file.tell() < size:
            file.seek(_tensor_bytes(file, path), 1)
            count += 1
        if file.tell() != size or not count:
            raise ValueError(f"{path} is cut off after {size} bytes")
    return GgmlFacts(tokens, width, decoder_layers)


def _tensor_bytes(file: BinaryIO, path: Path) -> int:
    """Read the head of a tensor; return the length of its data."""
    rank, length, kind = _unpack(file, "<3i", path)
    if not (0 < rank <= 4 and 0 < length < 1_000) or kind not in _BLOCKS:
        raise ValueError(f"{path} is damaged: no tensor at byte {file.tell()}")
    values = math.prod(_unpack(file, f"<{rank}i", path))
    file.seek(length, 1)
    per_block, block_bytes = _BLOCKS[kind]
    return values // per_block * block_bytes


def _unpack(file: BinaryIO, layout: str, path: Path) -> tuple[Any, ...]:
    data = file.read(struct.calcsize(layout))
    try:
        return struct.unpack(layout, data)
    except struct.error as error:
        raise ValueError(f"{path} is cut off after {file.tell()} bytes") from error
