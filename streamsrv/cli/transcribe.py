"""`streamsrv transcribe`: recognises the speech in a file, without a server."""

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from streamsrv.cli.files import AudioFile, read_input
from streamsrv.cli.options import Assignments, ConfigFile, fail, open_configuration

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streamsrv.settings import Settings


def transcribe(
    file: AudioFile,
    recognizer: Annotated[str | None, typer.Option(help="Speech recogniser.", show_default="moonshine-tiny")] = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
) -> None:
    """Recognise the speech in a file, and print it."""
    import asyncio

    from streamsrv.audio.rates import SPEECH_RATE_HZ
    from streamsrv.engines.catalogue import CatalogueError
    from streamsrv.errors import EngineError

    settings = open_configuration(config, assignments, recognizer=recognizer).settings
    pcm = read_input(file, SPEECH_RATE_HZ)
    try:
        asyncio.run(_transcribe(pcm, settings))
    except CatalogueError as error:
        fail(str(error))
    except EngineError as error:
        fail(f"{file}: {error}", status=1)


async def _transcribe(pcm: "NDArray[np.int16]", settings: "Settings") -> None:
    """Print the utterances of mono 16 kHz audio, each as soon as it is recognised."""
    from streamsrv.engines.asr.base import RecognitionOptions, Recognizer
    from streamsrv.engines.asr.recordings import recognize_recording
    from streamsrv.engines.catalogue import Kind
    from streamsrv.engines.startup import Loader
    from streamsrv.engines.vad.base import Vad

    loader = Loader(settings, lambda _: None)
    names: dict[Kind, str] = {"recognizer": settings.recognizer, "vad": settings.vad}
    await loader.require([loader.catalogue.find(name, kind) for kind, name in names.items()])
    recognizer: Recognizer = await loader.load(settings.recognizer, "recognizer")
    vad: Vad = await loader.load(settings.vad, "vad")
    recognized = recognize_recording(pcm, recognizer, vad, loader.scheduler, RecognitionOptions())
    async with aclosing(recognized) as utterances:
        async for utterance in utterances:
            typer.echo(utterance.text)
    await recognizer.aclose()
    loader.scheduler.close()
