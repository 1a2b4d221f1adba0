"""Files that a command is to read or write: mistakes end it with status 2 and one line, before it does any work."""

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamsrv.cli.options import fail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AudioFile = Annotated[Path, typer.Argument(help="Audio in any common format.")]


def read_input(path: Path, sample_rate: int) -> "NDArray[np.int16]":
    """Decode an audio file to mono int16 at `sample_rate` Hz; exit with status 2 if it cannot be."""
    from streamsrv.audio.files import AudioFileError, read_audio

    try:
        if stat.S_ISDIR(path.stat().st_mode):
            fail(f"{path} cannot be read: it is a folder.")
        return read_audio(path, sample_rate)
    except OSError as error:
        fail(f"{path} cannot be read: {_reason(error)}.")
    except AudioFileError as error:
        fail(f"{path} cannot be read: {error}")


def check_output(path: Path) -> None:
    """Exit with status 2 if the file cannot be written. A file that exists keeps its contents."""
    try:
        if not path.parent.is_dir():
            fail(f"{path} cannot be written: there is no folder {path.parent}.")
        if path.is_dir():
            fail(f"{path} cannot be written: it is a folder.")
        existed = path.exists()
        if existed and not path.is_file():
            return  # a device or a pipe, which opening could change
        path.open("ab").close()
        if not existed:
            path.unlink()
    except OSError as error:
        fail(f"{path} cannot be written: {_reason(error)}.")


def write_output(path: Path, pcm: "NDArray[np.int16]", sample_rate: int) -> None:
    """Write mono int16 PCM as a WAV file; exit with status 1, and leave no part of a file, if the disk is full."""
    from streamsrv.audio.files import write_wav

    try:
        write_wav(path, pcm, sample_rate)
    except OSError as error:
        if path.is_file():
            path.unlink(missing_ok=True)
        fail(f"{path} cannot be written: {_reason(error)}.", status=1)


def _reason(error: OSError) -> str:
    reason = error.strerror or str(error)
    return reason[:1].lower() + reason[1:]
