"""Stands in for stages that the operator turned off (`--recognizer none`)."""

from collections.abc import AsyncGenerator, Sequence

from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.engines.asr.base import Abilities, RecognitionOptions, RecognitionStream, StatelessSession
from streamsrv.engines.llm.base import ChatAbilities, ChatOptions, Delta, Message, Text, Tool
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, Voice
from streamsrv.engines.vad.base import VadStream
from streamsrv.engines.vad.energy import EnergyStream
from streamsrv.errors import Unavailable
from streamsrv.inference.occupancy import Occupancy

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


class AbsentVad:
    """Takes what is loud for speech: a server with one model alone hears only recordings of voices to be cloned."""

    name = ABSENT

    def open(self) -> VadStream:
        return EnergyStream()


class AbsentChatModel:
    """Refuses every request with `Unavailable`."""

    name = ABSENT
    abilities = ChatAbilities()
    occupancy: Occupancy | None = None

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        raise Unavailable("This server has no language model.")
        yield Text("")  # makes this a generator, as the protocol requires

    async def warm_up(self, messages: Sequence[Message] = ()) -> None: ...

    async def prepare(self, messages: Sequence[Message]) -> None: ...

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
