"""`streamsrv say`: speaks a text into a file, without a server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamsrv.cli.files import check_output, write_output
from streamsrv.cli.options import Assignments, ConfigFile, fail, open_configuration

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streamsrv.engines.tts.base import SpeechOptions, Synthesizer
    from streamsrv.settings import Settings


def say(
    text: Annotated[str, typer.Argument(help="Text to speak.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="WAV file to write.")],
    synthesizer: Annotated[str | None, typer.Option(help="Speech synthesisers.", show_default="auto")] = None,
    voice: Annotated[str, typer.Option(help="Voice of the synthesiser.", show_default="its default voice")] = "",
    speed: Annotated[float, typer.Option(help="1.0 is the voice's own pace.", min=0.25, max=4.0)] = 1.0,
    config: ConfigFile = None,
    assignments: Assignments = None,
) -> None:
    """Speak a text into a WAV file."""
    import asyncio

    from streamsrv.engines.catalogue import CatalogueError
    from streamsrv.engines.tts.base import SpeechOptions
    from streamsrv.errors import EngineError

    settings = open_configuration(config, assignments, synthesizer=synthesizer).settings
    check_output(output)
    try:
        pcm, sample_rate = asyncio.run(_say(text, SpeechOptions(voice=voice, speed=speed), settings))
    except (CatalogueError, _Unsupported) as error:
        fail(str(error))
    except EngineError as error:
        fail(str(error), status=1)
    if not len(pcm):
        fail("This text has nothing that can be spoken.", status=1)
    write_output(output, pcm, sample_rate)
    typer.echo(f"{output}: {len(pcm) / sample_rate:.1f} s of speech")


class _Unsupported(Exception):
    """The synthesiser does not support an option; the message names what it supports."""


async def _say(text: str, options: "SpeechOptions", settings: "Settings") -> "tuple[NDArray[np.int16], int]":
    """Return mono audio of the whole text, and its sample rate in Hz. Raises `_Unsupported`."""
    import numpy as np

    from streamsrv.core.answers.spoken_segments import SpokenSegmenter
    from streamsrv.engines.selection import select_synthesizers
    from streamsrv.engines.startup import Loader, load_synthesizer

    loader = Loader(settings, lambda _: None)
    chains = select_synthesizers(settings, loader.catalogue)
    await loader.require([entry for chain in chains.values() for entry in chain])
    synthesizer = await load_synthesizer(loader, settings, lambda _: None)
    _check(options, synthesizer)
    segmenter = SpokenSegmenter(options.language)
    pieces = [np.zeros(0, np.int16)]
    for segment in [*segmenter.feed(text), *segmenter.finish()]:
        if segment.spoken:
            pieces += [chunk.pcm async for chunk in synthesizer.stream(segment.spoken, options)]
    await synthesizer.aclose()
    loader.scheduler.close()
    return np.concatenate(pieces), synthesizer.sample_rate


def _check(options: "SpeechOptions", synthesizer: "Synthesizer") -> None:
    names = [voice.name for voice in synthesizer.voices]
    if options.voice and options.voice not in names:
        known = ", ".join(names)
        raise _Unsupported(f"--voice {options.voice}: {synthesizer.name} has no such voice. It has: {known}.")
    if not synthesizer.min_speed <= options.speed <= synthesizer.max_speed:
        limits = f"{synthesizer.min_speed:g} to {synthesizer.max_speed:g}"
        raise _Unsupported(f"--speed {options.speed:g}: {synthesizer.name} speaks at speeds from {limits}.")
