"""`streamsrv transcribe`: recognise the speech in a file, without a server."""

from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamsrv.cli.options import fail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streamsrv.asr.base import Recognizer
    from streamsrv.config import Settings
    from streamsrv.vad.base import Vad


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
        asyncio.run(_transcribe(read_audio(file), settings))
    except (AudioFileError, EngineError, ValueError) as error:
        fail(f"{file}: {error}", status=1)


async def _transcribe(pcm: "NDArray[np.int16]", settings: "Settings") -> None:
    """Print mono 16 kHz audio utterance by utterance, each as soon as it is recognised."""
    from streamsrv.asr.base import Recognizer
    from streamsrv.providers.startup import Loader
    from streamsrv.vad.base import Vad

    loader = Loader(settings, lambda _: None)
    recognizer: Recognizer = await loader.load(settings.recognizer, "recognizer")
    vad: Vad = await loader.load(settings.vad, "vad")
    for frames, probabilities in _utterances(pcm, vad):
        typer.echo(await _recognize(recognizer, frames, probabilities))
    await recognizer.aclose()
    loader.scheduler.close()


def _utterances(pcm: "NDArray[np.int16]", vad: "Vad") -> "Iterator[tuple[NDArray[np.int16], list[float]]]":
    """Frames of each stretch of speech, with their probabilities of speech; a stretch ends at a pause of 0.7 s."""
    import numpy as np

    from streamsrv.session.turns import SpeechStarted, SpeechStopped, TurnDetector, TurnOptions
    from streamsrv.vad.base import FRAME_MS, FRAME_SAMPLES

    frames = np.pad(pcm, (0, -len(pcm) % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES)
    stream, turns = vad.open(), TurnDetector(TurnOptions(silence_ms=700))
    probabilities: list[float] = []
    start = 0
    for number, frame in enumerate(frames, start=1):
        probabilities += stream.probabilities(frame[None])
        change = turns.hear(probabilities[-1], number * FRAME_MS)
        if isinstance(change, SpeechStarted):
            start = change.at_ms // FRAME_MS
        elif isinstance(change, SpeechStopped):
            yield frames[start:number], probabilities[start:number]
    if turns.speaking:
        yield frames[start:], probabilities[start:]


async def _recognize(recognizer: "Recognizer", frames: "NDArray[np.int16]", probabilities: list[float]) -> str:
    """The final transcript of one utterance."""
    from streamsrv.asr.base import RecognitionOptions

    text = ""
    async with aclosing(recognizer.open(RecognitionOptions())) as stream:
        for frame, probability in zip(frames, probabilities, strict=True):
            stream.push(frame, speech=probability >= 0.5)
        stream.finish()
        async for transcript in stream:
            text = transcript.text
    return text
