"""Stands in for stages that the operator turned off (`--recognizer none`)."""

from collections.abc import AsyncGenerator

from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.engines.asr.base import Abilities, RecognitionOptions, RecognitionStream, StatelessSession
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, Voice
from streamsrv.errors import Unavailable

ABSENT = "none"
"""The name of a stage that is turned off, also in the settings."""


class AbsentRecognizer:
    """Refuses every utterance with `Unavailable`."""

    name = ABSENT
    abilities = Abilities(prompt=True)

    def connect(self) -> StatelessSession:
        return StatelessSession(self.open)

    def open(self, options: RecognitionOptions) -> RecognitionStream:
        raise Unavailable("This server has no speech recogniser.")

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


class AbsentSynthesizer:
    """Refuses every segment with `Unavailable`."""

    name = ABSENT
    sample_rate = PCM_RATE_HZ
    voices: tuple[Voice, ...] = ()
    clones_voices = False
    min_speed, max_speed = 0.25, 4.0

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        raise Unavailable("This server has no speech synthesiser.")
        yield SpeechChunk  # makes this a generator, as the protocol requires

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...
