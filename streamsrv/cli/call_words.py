"""What a simulated caller says, from texts and files, and what he heard, in words."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streamsrv.cli.files import read_input
from streamsrv.cli.options import fail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streamsrv.calling.call import CallReport
    from streamsrv.calling.script import Turn
    from streamsrv.settings import Settings

KEYS = frozenset("0123456789*#ABCD")


@dataclass(frozen=True, slots=True)
class Asked:
    """One option of the command that makes a turn, or changes the next one."""

    option: str
    value: object


def turns_of(asked: Sequence[Asked], sample_rate: int, settings: "Settings", voice: str) -> "list[Turn]":
    """Return the turns in the order in which they were given; exit with an error for what cannot be said."""
    from streamsrv.audio.resample import StreamResampler
    from streamsrv.calling.script import Turn

    texts = [str(one.value) for one in asked if one.option == "say"]
    spoken = iter(_spoken(texts, settings, voice)) if texts else iter(())
    turns: list[Turn] = []
    barge_in_after_ms: int | None = None
    for one in asked:
        match one.option, one.value:
            case "barge_in_after", int(after_ms):
                barge_in_after_ms = after_ms
                continue
            case "say", str(text):
                pcm, rate = next(spoken)
                pcm = StreamResampler(rate, sample_rate).process(pcm, last=True)
                turns.append(Turn(pcm, text, barge_in_after_ms=barge_in_after_ms))
            case "audio", Path() as file:
                turns.append(Turn(read_input(file, sample_rate), file.name, barge_in_after_ms=barge_in_after_ms))
            case "digits", str(digits):
                if wrong := sorted(set(digits) - KEYS):
                    fail(f"--digits {digits}: {wrong[0]!r} is no key; accepted: 0-9, *, # and A-D")
                turns.append(Turn(digits=digits, barge_in_after_ms=barge_in_after_ms))
            case _:
                continue
        barge_in_after_ms = None
    if barge_in_after_ms is not None:
        fail("--barge-in-after stands before the --say, --audio or --digits that interrupts; none follows it")
    return turns


def _spoken(texts: Sequence[str], settings: "Settings", voice: str) -> "list[tuple[NDArray[np.int16], int]]":
    import asyncio

    from streamsrv.cli.say import speak
    from streamsrv.engines.catalogue import CatalogueError
    from streamsrv.errors import EngineError
    from streamsrv.protocol.errors import ProtocolError

    try:
        pieces, rate = asyncio.run(speak(texts, voice, 1.0, None, settings, lambda _: None))
    except (CatalogueError, ProtocolError) as error:
        fail(str(error))
    except EngineError as error:
        fail(f"--say: {error} A recording needs no voice: --audio FILE.", status=1)
    for text, pcm in zip(texts, pieces, strict=True):
        if not len(pcm):
            fail(f"--say {text!r}: it has nothing that can be spoken")
    return [(pcm, rate) for pcm in pieces]


def heard_words(report: "CallReport", settings: "Settings") -> "list[str]":
    """Return what the agent said before the first turn, and after the beginning of each; raises `EngineError`."""
    import asyncio

    from streamsrv.audio.rates import SPEECH_RATE_HZ
    from streamsrv.audio.resample import StreamResampler

    cuts_ms = [0, *(turn.started_ms for turn in report.turns)]
    cuts = [at_ms * report.sample_rate // 1000 for at_ms in cuts_ms]
    pieces = [report.agent[start:end] for start, end in zip(cuts, [*cuts[1:], None], strict=True)]
    return asyncio.run(
        _recognized(
            [StreamResampler(report.sample_rate, SPEECH_RATE_HZ).process(piece, last=True) for piece in pieces],
            settings,
        )
    )


async def _recognized(pieces: "Sequence[NDArray[np.int16]]", settings: "Settings") -> list[str]:
    """Return the words of each piece of mono 16 kHz audio."""
    from streamsrv.engines.asr.base import RecognitionOptions
    from streamsrv.engines.asr.failover.recognizer import FallbackRecognizer
    from streamsrv.engines.asr.recordings import recognize_recording
    from streamsrv.engines.model_loader import ModelLoader
    from streamsrv.engines.selection import select_recognizers
    from streamsrv.engines.vad.base import Vad

    loader = ModelLoader(settings, lambda _: None)
    chain = select_recognizers(settings, loader.catalogue)[""]
    if not chain:
        return [""] * len(pieces)
    await loader.require([*chain, loader.catalogue.find(settings.vad, "vad")])
    recognizer = FallbackRecognizer([await loader.load_entry(entry) for entry in chain])
    vad: Vad = await loader.load(settings.vad, "vad")
    words: list[str] = []
    for pcm in pieces:
        options = RecognitionOptions()
        async with aclosing(recognize_recording(pcm, recognizer, vad, loader.scheduler, options)) as utterances:
            words.append(" ".join([utterance.text async for utterance in utterances]).strip())
    await recognizer.aclose()
    loader.scheduler.close()
    return words
