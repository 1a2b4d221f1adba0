"""Converts a Whisper model from CTranslate2's files to a ggml file for whisper.cpp, once.

Layers that CTranslate2 has joined (query, key, value) are split again. Sources: `ctranslate2/specs` and
`converters/transformers.py` for the one, whisper.cpp's `models/convert-pt-to-ggml.py` for the other.
"""

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.whisper.ggml_files import HEADER, MAGIC
from streamsrv.engines.asr.whisper.model_files import ModelFiles, StoredWeight, read_index

Array = NDArray[np.float16 | np.float32]

NAME = "ggml-model.bin"
"""The converted file, beside the weights."""
_RECORD = f".{NAME}.json"
_TYPES = {0: np.float32, 4: np.float16}
"""By CTranslate2's number of a type, those that are converted."""
_HEAD_WIDTH = 64
_FFT_SAMPLES = 400
_END_OF_TEXT = "<|endoftext|>"


def converted(files: Mapping[str, Path], report: Callable[[str], None]) -> Path:
    """Return the ggml file of a model, after converting it if that was not done or one of the files has changed.

    Several processes may convert at once: each replaces the whole file. Raises `ValueError` for a model that cannot be
    converted.
    """
    folder = next(iter(files.values())).parent
    target, record = folder / NAME, folder / _RECORD
    state = {name: _state(path) for name, path in sorted(files.items())}
    try:
        is_current = json.loads(record.read_bytes()) == {**state, NAME: _state(target)}
    except (OSError, ValueError):
        is_current = False
    if not is_current:
        report(f"converting {folder} once; this takes some seconds")
        with TemporaryDirectory(dir=folder, prefix=".converting-") as temporary:
            written = Path(temporary, NAME)
            with written.open("wb") as file:
                write_ggml(ModelFiles(files), file)
            written.replace(target)
        record.write_text(json.dumps({**state, NAME: _state(target)}))
    return target


def _state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def write_ggml(model: ModelFiles, file: BinaryIO) -> None:
    """Write the model as a ggml file with float16 matrices; raises `ValueError`."""
    with model.open_weights() as source:
        data = np.frombuffer(source.read(), np.uint8)
        source.seek(0)
        index = read_index(source, len(data))
    weights = {name: _array(name, data, place) for name, place in index.items()}
    layers = [_count_layers(weights, side) for side in ("encoder", "decoder")]
    width, bands, _ = weights["encoder/conv1/weight"].shape
    audio, text = (len(weights[f"{side}/position_encodings/encodings"]) for side in ("encoder", "decoder"))
    heads = width // _HEAD_WIDTH
    tokens = len(weights["decoder/embeddings/weight"])
    file.write(struct.pack("<I", MAGIC))
    file.write(struct.pack(HEADER, tokens, audio, width, heads, layers[0], text, width, heads, layers[1], bands, 1))
    filters = mel_filters(bands)
    file.write(struct.pack("<2i", *filters.shape) + filters.tobytes())
    words = [_token_bytes(token) for token in model.vocabulary[: model.vocabulary.index(_END_OF_TEXT)]]
    file.write(struct.pack("<i", len(words)))
    for word in words:
        file.write(struct.pack("<i", len(word)) + word)
    for name, values in _tensors(weights, layers):
        _write_tensor(file, name, values)


def _array(name: str, data: NDArray[np.uint8], place: StoredWeight) -> Array:
    if place.kind not in _TYPES:
        if name.endswith("/weight"):
            raise ValueError(f"model.bin is quantised ({name}); only float16 and float32 can be converted")
        return np.zeros(0, np.float32)  # a setting of the model, such as the number of heads
    values = data[place.offset : place.offset + place.length].view(_TYPES[place.kind])
    return values.reshape(place.shape)


def _count_layers(weights: Mapping[str, Array], side: str) -> int:
    count = 0
    while f"{side}/layer_{count}/ffn/linear_0/weight" in weights:
        count += 1
    return count


def _tensors(weights: Mapping[str, Array], layers: list[int]) -> Iterator[tuple[str, Array]]:
    """Iterate over the tensors by their names in a ggml file."""
    for number in (1, 2):
        yield f"encoder.conv{number}.weight", weights[f"encoder/conv{number}/weight"]
        yield f"encoder.conv{number}.bias", weights[f"encoder/conv{number}/bias"].reshape(-1, 1)
    for side, last in (("encoder", "encoder.ln_post"), ("decoder", "decoder.ln")):
        yield f"{side}.positional_embedding", weights[f"{side}/position_encodings/encodings"]
        yield from _norm(weights, last, f"{side}/layer_norm")
    yield "decoder.token_embedding.weight", weights["decoder/embeddings/weight"]
    for side, count in zip(("encoder", "decoder"), layers, strict=True):
        for number in range(count):
            yield from _block(weights, f"{side}.blocks.{number}", f"{side}/layer_{number}")


def _block(weights: Mapping[str, Array], name: str, layer: str) -> Iterator[tuple[str, Array]]:
    own, cross = f"{layer}/self_attention", f"{layer}/attention"
    yield from _norm(weights, f"{name}.attn_ln", f"{own}/layer_norm")
    yield from _linear(weights, [f"{name}.attn.{part}" for part in ("query", "key", "value")], f"{own}/linear_0")
    yield from _linear(weights, [f"{name}.attn.out"], f"{own}/linear_1")
    yield from _norm(weights, f"{name}.mlp_ln", f"{layer}/ffn/layer_norm")
    for number in (0, 1):
        yield from _linear(weights, [f"{name}.mlp.{2 * number}"], f"{layer}/ffn/linear_{number}")
    if f"{cross}/linear_0/weight" in weights:
        yield from _norm(weights, f"{name}.cross_attn_ln", f"{cross}/layer_norm")
        yield from _linear(weights, [f"{name}.cross_attn.query"], f"{cross}/linear_0")
        yield from _linear(weights, [f"{name}.cross_attn.{part}" for part in ("key", "value")], f"{cross}/linear_1")
        yield from _linear(weights, [f"{name}.cross_attn.out"], f"{cross}/linear_2")


def _norm(weights: Mapping[str, Array], name: str, layer: str) -> Iterator[tuple[str, Array]]:
    yield f"{name}.weight", weights[f"{layer}/gamma"]
    yield f"{name}.bias", weights[f"{layer}/beta"]


def _linear(weights: Mapping[str, Array], names: list[str], layer: str) -> Iterator[tuple[str, Array]]:
    """Iterate over the weights of layers that are joined in CTranslate2. Whisper's keys have no bias."""
    matrices = np.split(weights[f"{layer}/weight"], len(names))
    bias = weights.get(f"{layer}/bias", np.zeros(len(weights[f"{layer}/weight"]), np.float32))
    for name, matrix, offset in zip(names, matrices, np.split(bias, len(names)), strict=True):
        yield f"{name}.weight", matrix
        if not name.endswith("key"):
            yield f"{name}.bias", offset


def _write_tensor(file: BinaryIO, name: str, values: Array) -> None:
    is_matrix = name.endswith(".weight") and values.ndim >= 2
    data = np.ascontiguousarray(values, np.float16 if is_matrix else np.float32)
    file.write(struct.pack("<3i", data.ndim, len(name), int(is_matrix)))
    file.write(struct.pack(f"<{data.ndim}i", *reversed(data.shape)) + name.encode() + data.tobytes())


def _printable_bytes() -> dict[str, int]:
    """The character that stands for each byte in the vocabularies of GPT-2 and Whisper."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(256 + place): byte for place, byte in enumerate(hidden)}


_BYTES = _printable_bytes()


def _token_bytes(token: str) -> bytes:
    return bytes(_BYTES[character] for character in token)


def mel_filters(bands: int) -> NDArray[np.float32]:
    """Return Slaney's mel filters at 16 kHz, as Whisper's spectrogram needs them, shape (bands, 201)."""
    bins = np.fft.rfftfreq(_FFT_SAMPLES, 1 / SPEECH_RATE_HZ)
    edges = _mel_to_hz(np.linspace(0, _hz_to_mel(SPEECH_RATE_HZ / 2), bands + 2))
    widths = np.diff(edges)
    ramps = edges[:, None] - bins[None, :]
    rising, falling = -ramps[:-2] / widths[:-1, None], ramps[2:] / widths[1:, None]
    filters = np.maximum(0, np.minimum(rising, falling))
    return (filters * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


_LINEAR_HZ, _MEL_PER_HZ = 1000.0, 3 / 200
_LOG_STEP = np.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    above = _LINEAR_HZ * _MEL_PER_HZ + np.log(max(hz, _LINEAR_HZ) / _LINEAR_HZ) / _LOG_STEP
    return hz * _MEL_PER_HZ if hz < _LINEAR_HZ else float(above)


def _mel_to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _LINEAR_HZ * _MEL_PER_HZ
    return np.where(mels < knee, mels / _MEL_PER_HZ, _LINEAR_HZ * np.exp(_LOG_STEP * (mels - knee)))
