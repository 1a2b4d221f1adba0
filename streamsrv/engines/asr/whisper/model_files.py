"""Reads what the files of a Whisper model say about it, and refuses those that are cut off or do not fit together.

The format is that of CTranslate2 (`python/ctranslate2/specs/model_spec.py`), version 6: little-endian, a header, then
each weight with its name, shape, type and data.
"""

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import Any, BinaryIO

_FORMAT_VERSION = 6
_SPECIFICATION = "WhisperSpec"
_BYTES_PER_VALUE = {0: 4, 1: 1, 2: 2, 3: 4, 4: 2, 5: 2}
"""By CTranslate2's number of a type: float32, int8, int16, int32, float16, bfloat16."""
_LAYER = re.compile(r"decoder/layer_(\d+)/")
_VOCABULARIES = ("vocabulary.json", "vocabulary.txt")
_NEEDED = ("config.json", "tokenizer.json")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The sizes of a model."""

    width: int
    """Numbers per vector: 384 in Whisper tiny, 512 in base, 768 in small, 1024 in medium, 1280 in large."""
    decoder_layers: int
    mel_bands: int
    tokens: int
    """Tokens of the vocabulary."""


@dataclass(frozen=True, slots=True)
class StoredWeight:
    """Where a `model.bin` has a weight."""

    shape: tuple[int, ...]
    kind: int
    """CTranslate2's number of its type."""
    offset: int
    length: int
    """Bytes."""


class ModelFiles:
    """The files of one model: those in a folder, or named files, whose `model.bin` may be in parts.

    Making one checks the files; raises `ValueError` or `FileNotFoundError`, which name the file and what is wrong.
    """

    def __init__(self, files: Mapping[str, Path], folder: Path | None = None) -> None:
        self._paths = {path.name: path for path in folder.iterdir()} if folder and folder.is_dir() else dict(files)
        self.folder = folder or files["config.json"].parent
        parts = sorted(name for name in self._paths if name.startswith("model.bin.part"))
        self._weights = b"".join(map(self.read, parts)) if parts and "model.bin" not in self._paths else None
        for name in _NEEDED:
            self._check_json(name)
        self.facts = self._read_facts()
        self.vocabulary = self._read_vocabulary()
        """The tokens in the order of their numbers."""

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        if name not in self._paths:
            raise FileNotFoundError(f"no file {self.folder / name}")
        return self._paths[name].read_bytes()

    @property
    def contents(self) -> dict[str, bytes] | None:
        """The files that CTranslate2 reads, if `model.bin` had to be put together; None: it can read the folder."""
        if self._weights is None:
            return None
        names = ("config.json", *_VOCABULARIES)
        return {name: self.read(name) for name in names if name in self._paths} | {"model.bin": self._weights}

    def _check_json(self, name: str) -> Any:
        try:
            return json.loads(self.read(name))
        except ValueError as error:
            raise ValueError(f"{self.folder / name} is not JSON: {error}") from error

    def open_weights(self) -> BinaryIO:
        """Open `model.bin`, which is put together if it is in parts."""
        if self._weights is not None:
            return BytesIO(self._weights)
        if "model.bin" not in self._paths:
            raise FileNotFoundError(f"no file {self.folder / 'model.bin'}")
        return self._paths["model.bin"].open("rb")

    def _read_facts(self) -> ModelFacts:
        with self.open_weights() as file:
            size = file.seek(0, SEEK_END)
            file.seek(0)
            return read_facts(file, size)

    def _read_vocabulary(self) -> list[str]:
        name = next((name for name in _VOCABULARIES if name in self._paths), None)
        if name is None:
            raise FileNotFoundError(f"no file {self.folder / _VOCABULARIES[0]} or {_VOCABULARIES[1]}")
        if name.endswith(".json"):
            tokens = self._check_json(name)
        else:
            tokens = self.read(name).decode(errors="replace").removesuffix("\n").split("\n")
        if len(tokens) != self.facts.tokens:
            raise ValueError(f"{self.folder / name} has {len(tokens)} tokens, and model.bin has {self.facts.tokens}")
        return tokens


def read_facts(file: BinaryIO, size: int) -> ModelFacts:
    """Read the shapes of all weights of a `model.bin` of `size` bytes; raises `ValueError` as `read_index` does."""
    shapes = {name: weight.shape for name, weight in read_index(file, size).items()}
    layers = {match[1] for match in map(_LAYER.match, shapes) if match}
    try:
        width, mel_bands, *_ = shapes["encoder/conv1/weight"]
        return ModelFacts(width, len(layers), mel_bands, shapes["decoder/embeddings/weight"][0])
    except (KeyError, ValueError, IndexError) as error:
        raise ValueError(f"model.bin has no usable weight {error}") from error


def read_index(file: BinaryIO, size: int) -> dict[str, StoredWeight]:
    """Read where a `model.bin` of `size` bytes has its weights, without the weights themselves.

    Raises `ValueError` if it is cut off, damaged, or no Whisper model.
    """
    reader = _Reader(file, size)
    (version,) = reader.unpack("I")
    if version != _FORMAT_VERSION:
        raise ValueError(f"model.bin is damaged or of another format: its version is {version}, not {_FORMAT_VERSION}")
    if (name := reader.text()) != _SPECIFICATION:
        raise ValueError(f"model.bin is a {name!r}, not a {_SPECIFICATION}")
    _revision, count = reader.unpack("II")
    weights = dict(reader.weight() for _ in range(count))
    (aliases,) = reader.unpack("I")
    for alias, name in [(reader.text(), reader.text()) for _ in range(aliases)]:
        if name in weights:
            weights[alias] = weights[name]
    return weights


class _Reader:
    """Reads the parts of a `model.bin`, and says where it ends too early."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._last = "its header"

    def unpack(self, layout: str) -> tuple[Any, ...]:
        length = struct.calcsize("<" + layout)
        return struct.unpack("<" + layout, self._take(length))

    def text(self) -> str:
        (length,) = self.unpack("H")
        return self._take(length).rstrip(b"\0").decode(errors="replace")

    def weight(self) -> tuple[str, StoredWeight]:
        """Return the name and the place of the next weight."""
        name = self.text()
        self._last = repr(name[:80])
        (rank,) = self.unpack("B")
        shape = self.unpack(f"{rank}I") if rank else ()
        kind, length = self.unpack("BI")
        if length != math.prod(shape) * _BYTES_PER_VALUE.get(kind, 0):
            raise ValueError(f"model.bin is damaged: the size of {self._last} is wrong")
        self._need(length)
        offset = self._file.tell()
        self._file.seek(length, 1)
        return name, StoredWeight(shape, kind, offset, length)

    def _take(self, length: int) -> bytes:
        self._need(length)
        return self._file.read(length)

    def _need(self, length: int) -> None:
        if self._file.tell() + length > self._size:
            raise ValueError(f"model.bin is cut off after {self._size} bytes, at {self._last}")
