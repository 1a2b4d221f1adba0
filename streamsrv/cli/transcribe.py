"""`streamsrv transcribe`: recognises the speech in a file, without a server."""

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from streamsrv.cli.files import AudioFile, read_input
from streamsrv.cli.options import Assignments, ConfigFile, fail, open_configuration

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streamsrv.engines.asr.base import RecognitionOptions, Recognizer
    from streamsrv.settings import Settings


def transcribe(
    file: AudioFile,
    recognizer: Annotated[str | None, typer.Option(help="Speech recogniser.", show_default="moonshine-tiny")] = None,
    language: Annotated[
        str | None, typer.Option(help="Language of the speech, such as de or German.", show_default="detected")
    ] = None,
    keyword: Annotated[
        list[str] | None, typer.Option(help="A name or term that is likely to be said; may be given several times.")
    ] = None,
    translate: Annotated[bool, typer.Option("--translate", help="Translate the speech into English.")] = False,
    config: ConfigFile = None,
    assignments: Assignments = None,
) -> None:
    """Recognise the speech in a file, and print it."""
    import asyncio

    from streamsrv.audio.rates import SPEECH_RATE_HZ
    from streamsrv.engines.asr.base import RecognitionOptions
    from streamsrv.engines.catalogue import CatalogueError
    from streamsrv.errors import EngineError

    asked = RecognitionOptions(
        language=language, keywords=tuple(keyword or ()), task="translate" if translate else "transcribe"
    )
    settings = open_configuration(config, assignments, recognizer=recognizer).settings
    pcm = read_input(file, SPEECH_RATE_HZ)
    try:
        asyncio.run(_transcribe(pcm, settings, asked))
    except CatalogueError as error:
        fail(str(error))
    except EngineError as error:
        fail(f"{file}: {error}", status=1)


async def _transcribe(pcm: "NDArray[np.int16]", settings: "Settings", asked: "RecognitionOptions") -> None:
    """Print the utterances of mono 16 kHz audio, each as soon as it is recognised."""
    from streamsrv.engines.asr.failover.recognizer import FallbackRecognizer
    from streamsrv.engines.asr.recordings import recognize_recording
    from streamsrv.engines.model_loader import ModelLoader
    from streamsrv.engines.selection import select_recognizers
    from streamsrv.engines.vad.base import Vad
    from streamsrv.text.languages import normalize_language

    language = asked.language
    code = None if language is None else normalize_language(language)
    if language is not None and code is None:
        fail(f"--language {language}: it names no language; accepted: an ISO 639-1 code such as de, or a name")
    loader = ModelLoader(settings, lambda _: None)
    chains = select_recognizers(settings, loader.catalogue)
    chain = chains.get(code or "", chains[""])
    if not chain:
        fail("recognizer: none recognises no speech; choose a recogniser with --recognizer")
    if code is not None and all(entry.languages and code not in entry.languages for entry in chain):
        names = " and ".join(entry.name for entry in chain)
        fail(f"--language {language}: {names} cannot recognise it; choose a recogniser with --recognizer")
    await loader.require([*chain, loader.catalogue.find(settings.vad, "vad")])
    recognizer = FallbackRecognizer([await loader.load_entry(entry) for entry in chain])
    _check(asked, recognizer)
    vad: Vad = await loader.load(settings.vad, "vad")
    recognized = recognize_recording(pcm, recognizer, vad, loader.scheduler, replace(asked, language=code))
    async with aclosing(recognized) as utterances:
        async for utterance in utterances:
            typer.echo(utterance.text)
    await recognizer.aclose()
    loader.scheduler.close()


def _check(asked: "RecognitionOptions", recognizer: "Recognizer") -> None:
    """Exit with an error if the recogniser cannot do what is asked."""
    from streamsrv.core.recognition import check_abilities, well_formed
    from streamsrv.protocol.errors import ProtocolError
    from streamsrv.protocol.session_object import Transcription

    if asked.task == "translate" and not recognizer.abilities.translates:
        fail(f"--translate: {recognizer.name} does not translate; choose a recogniser that does, such as whisper-base")
    try:
        hints = well_formed(Transcription(keywords=list(asked.keywords)), lambda _: "--keyword")
        check_abilities(recognizer.name, recognizer.abilities, hints, lambda _: "--keyword", logprobs=False)
    except ProtocolError as error:
        fail(error.message)
