"""Audio files: any container and codec in through FFmpeg, WAV out."""

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import av
import av.error
import numpy as np
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from numpy.typing import NDArray

# Playlists and image lists can name other files and addresses. Only the opened bytes themselves may be read.
_NO_OTHER_FILES = {"protocol_whitelist": "none"}


class AudioFileError(ValueError):
    """The file cannot be used; the message is a sentence for the user."""


def read_audio(
    source: Path | str | BinaryIO, sample_rate: int = 16_000, max_seconds: float | None = None
) -> NDArray[np.int16]:
    """Decode a whole file (a path, or a seekable binary file) to mono int16 at `sample_rate` Hz.

    Damaged packets are skipped, as players do. Raises `AudioFileError` for a file that is missing, empty, not audio, or
    longer than `max_seconds`; decoding stops there, so that a small file cannot fill the memory.
    """
    if isinstance(source, Path | str):
        try:
            with Path(source).open("rb") as file:
                return read_audio(file, sample_rate, max_seconds)
        except OSError as error:
            raise AudioFileError(f"The audio file cannot be opened: {error.strerror}.") from error
    limit = None if max_seconds is None else round(max_seconds * sample_rate)
    chunks: list[NDArray[np.int16]] = []
    total = 0
    for chunk in _decode(source, sample_rate):
        total += chunk.size
        if limit is not None and total > limit:
            raise AudioFileError(f"The audio is longer than {max_seconds:g} seconds.")
        chunks.append(chunk)
    if total == 0:
        raise AudioFileError("The file contains no audio.")
    return np.concatenate(chunks)


def write_wav(path: Path | str, pcm: NDArray[np.int16], sample_rate: int) -> None:
    """Write mono int16 PCM as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(pcm.astype("<i2").tobytes())


def _decode(file: BinaryIO, sample_rate: int) -> Iterator[NDArray[np.int16]]:
    try:
        with av.open(file, mode="r", container_options=_NO_OTHER_FILES) as container:
            if container.streams.audio:
                yield from _decode_first_stream(container, sample_rate)
    except (av.error.FFmpegError, ValueError) as error:
        raise AudioFileError("The file is empty, damaged, or not in a known audio format.") from error


def _decode_first_stream(container: InputContainer, sample_rate: int) -> Iterator[NDArray[np.int16]]:
    resampler = AudioResampler(format="s16", layout="mono", rate=sample_rate)
    for packet in container.demux(container.streams.audio[0]):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue
        for frame in frames:
            yield from (converted.to_ndarray()[0] for converted in resampler.resample(frame))
    yield from (converted.to_ndarray()[0] for converted in resampler.resample(None))
