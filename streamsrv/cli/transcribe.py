"""`streamsrv transcribe`: recognise the speech in a file, without a server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamsrv.cli.options import fail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streamsrv.config import Settings


def transcribe(
    file: Annotated[Path, typer.Argument(help="Audio in any common format.", exists=True, dir_okay=False)],
    recognizer: Annotated[str | None, typer.Option(help="Speech recogniser.", show_default="moonshine-tiny")] = None,
) -> None:
    """Recognise the speech in a file, and print it."""
    import asyncio

    from streamsrv.audio.files import AudioFileError, read_audio
    from streamsrv.cli.serve import read_settings
    from streamsrv.errors import EngineError

    settings = read_settings({"recognizer": recognizer} if recognizer else {})
    try:
        text = asyncio.run(_transcribe(read_audio(file), settings))
    except (AudioFileError, EngineError, ValueError) as error:
        fail(f"{file}: {error}", status=1)
    typer.echo(text)


async def _transcribe(pcm: "NDArray[np.int16]", settings: "Settings") -> str:
    """The final transcript of mono 16 kHz audio."""
    import numpy as np

    from streamsrv.asr.base import RecognitionOptions, Recognizer
    from streamsrv.providers.startup import Loader
    from streamsrv.vad.base import FRAME_SAMPLES, Vad

    loader = Loader(settings, lambda _: None)
    recognizer: Recognizer = await loader.load(settings.recognizer, "recognizer")
    vad: Vad = await loader.load(settings.vad, "vad")
    frames = np.pad(pcm, (0, -len(pcm) % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES)
    stream = recognizer.open(RecognitionOptions())
    for frame, probability in zip(frames, vad.open().probabilities(frames), strict=True):
        stream.push(frame, speech=probability >= 0.5)
    stream.finish()
    text = ""
    async for transcript in stream:
        text = transcript.text
    await stream.aclose()
    await recognizer.aclose()
    loader.scheduler.close()
    return text
