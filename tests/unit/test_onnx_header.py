"""What an ONNX file says about itself, and files that are none."""

import random
from pathlib import Path

import pytest

from streamsrv.inference.onnx_header import read_header


def field(number: int, body: bytes) -> bytes:
    """A field of Protocol Buffers with bytes."""
    length, size = len(body), b""
    while length > 127:
        size += bytes([length & 127 | 128])
        length >>= 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + body


GRAPH = field(5, b"\0" * 1000) + field(11, field(1, b"audio") + field(2, b"type")) + field(11, field(1, b"length"))
MODEL = (
    b"\x08\x08"  # ir_version, a varint
    + field(7, GRAPH)
    + field(14, field(1, b"vocab_size") + field(2, b"64"))
    + field(14, field(1, b"empty"))
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


def test_inputs_and_metadata_are_read(file: Path):
    file.write_bytes(MODEL)
    header = read_header(file)
    assert header.inputs == ("audio", "length")
    assert header.metadata == {"vocab_size": "64", "empty": ""}


@pytest.mark.parametrize("length", [0, 1, 2, 3, 100, len(MODEL) // 2, len(MODEL) - 1])
def test_a_truncated_file_is_refused(file: Path, length: int):
    file.write_bytes(MODEL[:length])
    with pytest.raises(ValueError, match=r"model\.onnx is (truncated or )?no ONNX file"):
        read_header(file)


@pytest.mark.parametrize("content", [b"hello world, this is a text\n" * 20, b"\xff" * 500, b"PK\x03\x04" * 50])
def test_another_file_is_refused(file: Path, content: bytes):
    file.write_bytes(content)
    with pytest.raises(ValueError, match="no ONNX file"):
        read_header(file)


def test_random_bytes_never_raise_anything_else(file: Path):
    generator = random.Random(0)
    for _ in range(200):
        file.write_bytes(generator.randbytes(300))
        with pytest.raises(ValueError, match="no ONNX file"):
            read_header(file)


def test_a_missing_file_is_an_os_error(file: Path):
    with pytest.raises(FileNotFoundError):
        read_header(file)
