"""Audio files: any container and codec in through FFmpeg, WAV out."""

import io
import wave
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby
from pathlib import Path
from typing import BinaryIO

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from numpy.typing import NDArray

from streamsrv.audio.links import links
from streamsrv.audio.rates import SPEECH_RATE_HZ

_FORMATS = (
    "aac",
    "aiff",
    "amr",
    "asf",
    "au",
    "caf",
    "flac",
    "matroska,webm",
    "mov,mp4,m4a,3gp,3g2,mj2",
    "mp3",
    "mpeg",
    "mpegts",
    "ogg",
    "w64",
    "wav",
)
"""Containers, as FFmpeg names them."""
KNOWN_FORMATS = "AAC, AIFF, AMR, AU, CAF, FLAC, M4A, MKV, MP3, MP4, MPEG, Ogg, Opus, W64, WAV, WebM, WMA"
"""The same formats, as users know them."""
_UNKNOWN = f"The file is empty, damaged, or not in a known audio format. Known are {KNOWN_FORMATS}."
_CODECS = (
    *("aac", "aac_latm", "ac3", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "alac", "amrnb", "amrwb", "eac3", "flac"),
    *("gsm_ms", "libopus", "mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float", "opus", "pcm_alaw", "pcm_f32be"),
    *("pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_mulaw", "pcm_s16be", "pcm_s16le", "pcm_s24be", "pcm_s24le"),
    *("pcm_s32be", "pcm_s32le", "pcm_s8", "pcm_u8", "speex", "vorbis", "wmav1", "wmav2"),
)
_OPTIONS = {
    # Playlists and image lists can name other files and addresses. FFmpeg may read only the opened bytes.
    "protocol_whitelist": "none",
    # The formats that people record and send. FFmpeg has hundreds more, whose decoders are not safe with hostile files.
    "format_whitelist": ",".join(_FORMATS),
    "codec_whitelist": ",".join(_CODECS),
}


class AudioFileError(ValueError):
    """The file cannot be used; the message is a sentence for the user."""


def read_audio(
    source: Path | str | BinaryIO,
    sample_rate: int = SPEECH_RATE_HZ,
    max_seconds: float | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> NDArray[np.int16]:
    """Decode a whole file (a path, or a seekable binary file) to mono int16 at `sample_rate` Hz.

    Damaged packets are skipped, as players do. Rate and channels may change within the file. When `is_cancelled()`
    becomes true, the audio decoded so far is returned. Raises `AudioFileError` for a file that is missing, empty, not
    audio, or longer than `max_seconds`; decoding stops there, so that a small file cannot fill the memory.
    """
    if isinstance(source, Path | str):
        try:
            with Path(source).open("rb") as file:
                return read_audio(file, sample_rate, max_seconds, is_cancelled)
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
        if is_cancelled():
            break
    if total == 0:
        raise AudioFileError("The file contains no audio.")
    return np.concatenate(chunks)


def rate_of(file: BinaryIO) -> int:
    """Return the sample rate of a seekable file, in Hz, and rewind it. Raises `AudioFileError`."""
    try:
        with av.open(next(links(file)), mode="r", container_options=_OPTIONS) as container:
            if container.streams.audio and (rate := container.streams.audio[0].rate):
                return rate
    except (StopIteration, av.error.FFmpegError, ValueError):
        pass
    finally:
        file.seek(0)
    raise AudioFileError(_UNKNOWN)


def write_wav(path: Path | str, pcm: NDArray[np.int16], sample_rate: int) -> None:
    """Write int16 PCM, mono or `(samples, channels)`, as a WAV file. Raises `OSError`."""
    # In memory first: a writer of `wave` that fails complains once more when it is deleted.
    Path(path).write_bytes(wav(pcm, sample_rate))


def wav(pcm: NDArray[np.int16], sample_rate: int) -> bytes:
    """Return int16 PCM, mono or `(samples, channels)`, as the bytes of a WAV file."""
    whole = io.BytesIO()
    with wave.open(whole, "wb") as file:
        file.setnchannels(1 if pcm.ndim == 1 else pcm.shape[1])
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(pcm.astype("<i2").tobytes())
    return whole.getvalue()


def _decode(file: BinaryIO, sample_rate: int) -> Iterator[NDArray[np.int16]]:
    for position, link in enumerate(links(file)):
        try:
            with av.open(link, mode="r", container_options=_OPTIONS) as container:
                if container.streams.audio:
                    yield from _resampled(_frames(container), sample_rate)
        except AudioFileError:
            raise
        except (av.error.FFmpegError, ValueError) as error:
            if position:
                continue  # damaged, or cut off
            raise AudioFileError(_UNKNOWN) from error


def _frames(container: InputContainer) -> Iterator[AudioFrame]:
    """The frames of the first audio stream."""
    stream = container.streams.audio[0]
    if stream.codec_context.name not in _CODECS:
        raise AudioFileError(f"The file is not in a known audio format: '{stream.codec_context.name}' is not decoded.")
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue


def _resampled(frames: Iterable[AudioFrame], sample_rate: int) -> Iterator[NDArray[np.int16]]:
    """Resample to mono int16; each change of rate or channels starts a new resampler."""
    for _, alike in groupby(frames, key=lambda frame: (frame.sample_rate, frame.layout.name, frame.format.name)):
        resampler = AudioResampler(format="s16", layout="mono", rate=sample_rate)
        for frame in chain(alike, [None]):
            if frame is not None:
                frame.pts = None  # they may jump; samples follow each other
            yield from (converted.to_ndarray()[0] for converted in resampler.resample(frame))
