"""The program espeak-ng, run as a command: a robotic voice in more than ninety languages, at 22.05 kHz.

It is under GPL-3.0-or-later. This package contains no part of it and is linked to no part of it.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.stretch import stretch
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import NoOptions, read_options
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, Voice
from streamsrv.engines.tts.espeak_ng.command import COMMAND, EspeakRun
from streamsrv.engines.tts.espeak_ng.varieties import Variety, best_varieties, choices, read_varieties
from streamsrv.engines.tts.sentences import speech_pieces
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Priority, Scheduler

_RATE_HZ = 22_050
_HEADER_BYTES = 44
_WORDS_PER_MINUTE = 175
"""The command's own pace."""
_MIN_OWN_SPEED, _MAX_OWN_SPEED = 0.5, 2.0
"""Speeds at which the command itself speaks well. Others are made by stretching its audio."""
_MAX_CHARS = 200
"""Characters of one run of the command."""
_BYTES_PER_CHAR = 2 * _RATE_HZ
"""A second for each character: far more than speech takes, also where one is read as a word."""
_LIST_BYTES = 1 << 20
_FEMALE = "f2"
"""The variant of the command with a female voice."""
_DEFAULT = "en-us"


def load(entry: ModelEntry, context: LoadContext) -> "EspeakSynthesizer":
    """Ask the command which languages it speaks. The entry has no options and no weights."""
    read_options(NoOptions, entry)
    listed = EspeakRun(["--voices"], [], max_bytes=_LIST_BYTES).run().decode(errors="replace")
    varieties = read_varieties(listed)
    if not varieties:
        raise Unavailable(f"{COMMAND} lists no voice.")
    return EspeakSynthesizer(entry.name, varieties)


class EspeakSynthesizer:
    """A `tts.base.Synthesizer` that runs the command once for each sentence.

    A thread waits for each command. The threads are its own, so that no model waits for a command that hangs.
    Its voices `espeak` and `espeak-female` speak all languages; `espeak-en-gb` and others are varieties of one.
    """

    clones_voices = False
    min_speed, max_speed = 0.25, 4.0

    def __init__(self, name: str, varieties: Sequence[Variety]) -> None:
        self.name = name
        self.sample_rate = _RATE_HZ
        self._scheduler = Scheduler(os.cpu_count() or 2, name=name)
        self._best: Mapping[str, Variety] = best_varieties(varieties)
        self._varieties = {f"{name}-{variety.tag}": variety for variety in choices(varieties)}
        self._female = f"{name}-female"
        everything = frozenset(self._best)
        self.voices = (
            Voice(name, everything, "robotic", "male"),
            Voice(self._female, everything, "robotic", "female"),
            *(
                Voice(voice, frozenset(variety.languages), f"robotic, {variety.name}", "male")
                for voice, variety in self._varieties.items()
            ),
        )

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        """Speak `text` sentence by sentence, in chunks of a second at most. Closing it ends the command."""
        speech = _Speech(text, self._arguments(options), options.speed)
        spoken = self._scheduler.iterate(Priority.FIRST_AUDIO, Priority.SPEECH, iter(speech))
        try:
            async with aclosing(spoken) as sentences:
                async for pcm in sentences:
                    for start in range(0, len(pcm), _RATE_HZ):
                        if start:
                            await asyncio.sleep(0)  # let other tasks run
                        yield SpeechChunk(pcm[start : start + _RATE_HZ])
        finally:
            speech.cancel()

    async def warm_up(self) -> None:
        """Speak a word, to see that the command works."""
        async for _ in self.stream("Hello", SpeechOptions()):
            pass

    async def aclose(self) -> None:
        """End the threads."""
        await asyncio.to_thread(self._scheduler.close)

    def _arguments(self, options: SpeechOptions) -> list[str]:
        """Return how the command is told to speak; in the best variety of a language that the voice does not speak."""
        variety = self._varieties.get(options.voice)
        if variety is None or options.language not in variety.languages:
            variety = self._best.get(options.language)
        tag = variety.tag if variety else _DEFAULT
        variant = f"+{_FEMALE}" if options.voice == self._female else ""
        pace = round(_WORDS_PER_MINUTE * _own_speed(options.speed))
        return ["--stdout", "-b", "1", "-v", tag + variant, "-s", str(pace)]


class _Speech:
    """The audio of a text, sentence by sentence, made by a worker thread that iterates it."""

    def __init__(self, text: str, arguments: Sequence[str], speed: float) -> None:
        self._text = text
        self._arguments = arguments
        self._speed = speed
        self._run: EspeakRun | None = None
        self._is_cancelled = False

    def __iter__(self) -> Iterator[NDArray[np.int16]]:
        for piece in speech_pieces(self._text, _MAX_CHARS):
            max_bytes = _HEADER_BYTES + _BYTES_PER_CHAR * (len(piece) + 10)
            self._run = EspeakRun(self._arguments, [piece], max_bytes=max_bytes)
            if self._is_cancelled:
                return
            pcm = _samples(self._run.run())
            if self._speed != (own := _own_speed(self._speed)) and pcm.size:
                pcm = stretch(pcm, _RATE_HZ, self._speed / own)
            if pcm.size:
                yield pcm

    def cancel(self) -> None:
        """End the command, if it runs, and run it no more."""
        self._is_cancelled = True
        if self._run is not None:
            self._run.kill()


def _own_speed(speed: float) -> float:
    return min(max(speed, _MIN_OWN_SPEED), _MAX_OWN_SPEED)


def _samples(wav: bytes) -> NDArray[np.int16]:
    """Return the audio of the command's output; none if it was ended. Raises `Unavailable` if it is something else."""
    if not wav:
        return np.empty(0, np.int16)
    rate = int.from_bytes(wav[24:28], "little")
    if wav[:4] != b"RIFF" or wav[36:40] != b"data" or rate != _RATE_HZ:
        raise Unavailable(f"{COMMAND} gave no WAV file at {_RATE_HZ} Hz.")
    return np.frombuffer(wav, "<i2", offset=_HEADER_BYTES, count=(len(wav) - _HEADER_BYTES) // 2).astype(np.int16)
