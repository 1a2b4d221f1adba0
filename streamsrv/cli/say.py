"""`streamsrv say`: speaks a text into a file, without a server."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamsrv.cli.files import check_output, write_output
from streamsrv.cli.options import Assignments, ConfigFile, fail, open_configuration

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streamsrv.core.capabilities import Capabilities
    from streamsrv.engines.loading import Report
    from streamsrv.engines.tts.base import Synthesizer
    from streamsrv.settings import Settings


def say(
    text: Annotated[str, typer.Argument(help="Text to speak.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="WAV file to write.")],
    synthesizer: Annotated[str | None, typer.Option(help="Speech synthesisers.", show_default="auto")] = None,
    voice: Annotated[str, typer.Option(help="Voice of a synthesiser.", show_default="the default voice")] = "",
    language: Annotated[
        str | None, typer.Option(help="Language of the text.", show_default="that of each part")
    ] = None,
    speed: Annotated[float, typer.Option(help="1.0 is the voice's own pace.", min=0.25, max=4.0)] = 1.0,
    config: ConfigFile = None,
    assignments: Assignments = None,
) -> None:
    """Speak a text into a WAV file."""
    import asyncio

    from streamsrv.engines.catalogue import CatalogueError
    from streamsrv.engines.startup import NO_SPARE_VOICE
    from streamsrv.errors import EngineError
    from streamsrv.protocol.errors import ProtocolError

    settings = open_configuration(config, assignments, synthesizer=synthesizer).settings
    check_output(output)
    reports: list[str] = []
    try:
        (pcm,), sample_rate = asyncio.run(speak([text], voice, speed, language, settings, reports.append))
    except (CatalogueError, ProtocolError) as error:
        fail("\n".join([str(error), *(report for report in reports if report.startswith(NO_SPARE_VOICE))]))
    except EngineError as error:
        fail(str(error), status=1)
    if not len(pcm):
        fail("This text has nothing that can be spoken.", status=1)
    write_output(output, pcm, sample_rate)
    typer.echo(f"{output}: {len(pcm) / sample_rate:.1f} s of speech")


async def speak(
    texts: Sequence[str], voice: str, speed: float, language: str | None, settings: "Settings", report: "Report"
) -> "tuple[list[NDArray[np.int16]], int]":
    """Return mono audio of each text, and its sample rate in Hz.

    `report` is told how the loading goes. Raises `ProtocolError` for what the voices do not support, with the option as
    its parameter.
    """
    import numpy as np

    from streamsrv.core.answers.reply_language import ExpectedLanguage, ReplyLanguage
    from streamsrv.core.answers.spoken_segments import SpokenSegmenter
    from streamsrv.engines.model_loader import ModelLoader
    from streamsrv.engines.selection import select_synthesizers
    from streamsrv.engines.startup import load_synthesizer
    from streamsrv.engines.tts.base import SpeechOptions

    loader = ModelLoader(settings, lambda _: None)
    chains = select_synthesizers(settings, loader.catalogue)
    await loader.require([entry for chain in chains.values() for entry in chain])
    synthesizer = await load_synthesizer(loader, settings, report)
    can = _capabilities(synthesizer)
    can.check_speed(speed, "--speed")
    options = SpeechOptions(voice=can.voice(voice, "--voice"), speed=speed)
    given = can.language(language, "--language")
    among = frozenset[str]() if given else can.spoken_languages
    expected = ExpectedLanguage(given or can.language_of(options.voice), among, is_known=given is not None)
    spoken: list[NDArray[np.int16]] = []
    for text in texts:
        segmenter = SpokenSegmenter(ReplyLanguage(expected))
        pieces = [np.zeros(0, np.int16)]
        for segment in [*segmenter.feed(text), *segmenter.finish()]:
            if segment.spoken:
                pieces += [chunk.pcm async for chunk in synthesizer.stream(segment.spoken, segment.options(options))]
        spoken.append(np.concatenate(pieces))
    await synthesizer.aclose()
    loader.scheduler.close()
    return spoken, synthesizer.sample_rate


def _capabilities(synthesizer: "Synthesizer") -> "Capabilities":
    from streamsrv.core.capabilities import Capabilities
    from streamsrv.engines.loaded import voice_aliases

    return Capabilities(
        voices=tuple(voice.name for voice in synthesizer.voices),
        voice_aliases=voice_aliases(synthesizer),
        voice_languages={voice.name: voice.languages for voice in synthesizer.voices},
        min_speed=synthesizer.min_speed,
        max_speed=synthesizer.max_speed,
    )
