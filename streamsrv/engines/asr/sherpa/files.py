"""Reads and checks the files of an exported NeMo model before they are loaded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.speech_feed import StepGrid
from streamsrv.inference.onnx_header import OnnxHeader, read_header

_FRAME_MS = 10
_FRAME_SAMPLES = SPEECH_RATE_HZ * _FRAME_MS // 1000
_FRAMES_LATE = 3
"""Frames of features that a model gets late: their windows reach beyond them, and the last one is held back."""
_BLANK = "<blk>"
_TRANSDUCER = ("vocab_size", "subsampling_factor", "pred_rnn_layers", "pred_hidden")
_CTC = ("vocab_size", "subsampling_factor")
_STREAMING = (
    *_TRANSDUCER,
    *("window_size", "chunk_shift"),
    *(f"cache_last_{what}_dim{number}" for what in ("channel", "time") for number in (1, 2, 3)),
)
_PROMPT = re.compile(r"(?<![A-Za-z-])([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]+)?[\"']?\s*[:=]\s*[\"']?\d+")


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of a model, and what they say about it."""

    encoder: Path
    """The encoder, or the whole model if it is a CTC model."""
    tokens: Path
    vocabulary: tuple[str, ...]
    """Its tokens without the blank one, in order."""
    token_ms: float
    """How long a frame of the encoder lasts."""
    decoder: Path | None = None
    joiner: Path | None = None
    grid: StepGrid | None = None
    """When a streaming model decodes; None: it does not stream."""
    takes_language: bool = False
    """Whether it can be told the language, and finds out which it is if it is not told."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes that it can be told."""

    @property
    def is_ctc(self) -> bool:
        return self.decoder is None


def read_layout(files: Mapping[str, Path]) -> Layout:
    """Find the files of a model by their names, and check them. Raises `ValueError` with what is wrong."""
    tokens = _find(files, "tokens", ".txt")
    if tokens is None:
        raise ValueError(f"there is no tokens.txt among its files: {_names(files)}")
    encoder = _find(files, "encoder", ".onnx")
    whole = _find(files, "model", ".onnx")
    if encoder is None and whole is None:
        raise ValueError(f"there is neither an encoder.onnx nor a model.onnx (CTC) among its files: {_names(files)}")
    if encoder is None:
        assert whole is not None
        header = _header(whole, _CTC)
        return Layout(whole, tokens, _read_tokens(tokens, header, whole, is_ctc=True), _token_ms(header))
    parts = {name: _find(files, name, ".onnx") for name in ("decoder", "joiner")}
    if missing := [f"{name}.onnx" for name, path in parts.items() if path is None]:
        raise ValueError(f"there is no {' and no '.join(missing)} among its files: {_names(files)}")
    for path in filter(None, parts.values()):
        read_header(path)
    header = _header(encoder, _TRANSDUCER)
    is_streaming = "cache_last_channel" in header.inputs
    if is_streaming:
        header = _header(encoder, _STREAMING)
    return Layout(
        encoder,
        tokens,
        _read_tokens(tokens, header, encoder),
        _token_ms(header),
        parts["decoder"],
        parts["joiner"],
        _grid(header) if is_streaming else None,
        takes_language="prompt_index" in header.inputs,
        languages=tuple(dict.fromkeys(_PROMPT.findall(header.metadata.get("prompt_dictionary", "")))),
    )


def _find(files: Mapping[str, Path], stem: str, suffix: str) -> Path | None:
    """Return the file `stem.suffix`, or `stem.int8.suffix`, which comes first: it is smaller and faster."""
    names = (f"{stem}.int8{suffix}", f"{stem}{suffix}")
    return next((files[name] for name in names if name in files), None)


def _names(files: Mapping[str, Path]) -> str:
    return ", ".join(sorted(files)) or "none"


def _header(path: Path, needed: tuple[str, ...]) -> OnnxHeader:
    """Read a header whose numbers `needed` are there and above 0."""
    header = read_header(path)
    for name in needed:
        value = header.metadata.get(name, "")
        if not value.isdecimal() or int(value) == 0:
            said = f"{name} is {value!r}" if value else f"{name} is missing"
            raise ValueError(f"{path} is no model that sherpa-onnx's scripts have exported: {said} in its metadata")
    if "normalize_type" not in header.metadata:
        raise ValueError(f"{path} is no model that sherpa-onnx's scripts have exported: it has no normalize_type")
    return header


def _token_ms(header: OnnxHeader) -> float:
    return float(int(header.metadata["subsampling_factor"]) * _FRAME_MS)


def _grid(header: OnnxHeader) -> StepGrid:
    window, shift = int(header.metadata["window_size"]), int(header.metadata["chunk_shift"])
    return StepGrid((window + _FRAMES_LATE) * _FRAME_SAMPLES, shift * _FRAME_SAMPLES)


def _read_tokens(path: Path, header: OnnxHeader, encoder: Path, *, is_ctc: bool = False) -> tuple[str, ...]:
    """Read `tokens.txt`: a token and its number in each line, the blank one last. Some CTC models count that one."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        tokens = {int(line.rpartition(" ")[2]): line.rpartition(" ")[0].strip() for line in lines}
    except ValueError as error:
        raise ValueError(f"{path} is damaged: each line must have a token and its number") from error
    wanted = int(header.metadata["vocab_size"]) + 1
    if len(lines) != wanted and not (is_ctc and len(lines) == wanted - 1):
        raise ValueError(
            f"{path} has {len(lines)} tokens, and {encoder} {wanted}: it is truncated, or of another model"
        )
    if sorted(tokens) != list(range(len(lines))):
        raise ValueError(f"{path} is damaged: its lines are not numbered from 0 to {len(lines) - 1}")
    if tokens[len(lines) - 1] != _BLANK:
        raise ValueError(f"{path} is damaged: its last token is {tokens[len(lines) - 1]!r} and should be {_BLANK!r}")
    return tuple(tokens[index] for index in range(len(lines) - 1))
