"""The audio file of a form, and its decoding off the event loop."""

import asyncio
import threading
from collections.abc import Callable
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.datastructures import FormData, UploadFile

from streamsrv.audio.files import AudioFileError, read_audio
from streamsrv.protocol.errors import ProtocolError

Result = TypeVar("Result")


def file_of(form: FormData, param: str) -> BinaryIO:
    """Return the file in a field of a form. Raises `ProtocolError`."""
    upload = form.get(param)
    if upload is None:
        raise ProtocolError("missing_required_parameter", f"Missing required parameter: '{param}'.", param)
    if not isinstance(upload, UploadFile):
        raise ProtocolError("invalid_value", f"Invalid value for '{param}': expected a file with a name.", param)
    if not upload.size:
        raise ProtocolError("invalid_value", f"Invalid value for '{param}': the file is empty.", param)
    return upload.file


async def decode(file: BinaryIO, param: str, sample_rate: int, max_seconds: float) -> NDArray[np.int16]:
    """Return the samples of the file, mono at `sample_rate` Hz. Raises `ProtocolError`."""

    def read(is_cancelled: Callable[[], bool]) -> NDArray[np.int16]:
        return read_audio(file, sample_rate, max_seconds, is_cancelled)

    try:
        return await on_thread(read)
    except AudioFileError as error:
        raise ProtocolError("invalid_value", f"Invalid value for '{param}': {error}", param) from None


async def on_thread(work: Callable[[Callable[[], bool]], Result]) -> Result:
    """Run `work(is_cancelled)` on a thread. A cancellation waits until it has ended, so no file is closed in use."""
    is_cancelled = threading.Event()
    working = asyncio.ensure_future(asyncio.to_thread(work, is_cancelled.is_set))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        is_cancelled.set()
        await asyncio.wait([working])
        raise
