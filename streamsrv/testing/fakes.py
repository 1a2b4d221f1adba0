"""Fakes of every stage, without models, for tests of the code between the stages."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import PCM_RATE_HZ, SPEECH_RATE_HZ
from streamsrv.engines.asr.base import Abilities, RecognitionOptions, Recognizer, StatelessSession, Transcript
from streamsrv.engines.asr.failover.recognizer import FallbackRecognizer
from streamsrv.engines.breaker import Breakers
from streamsrv.engines.llm.base import (
    ChatAbilities,
    ChatModel,
    ChatOptions,
    Delta,
    Finished,
    Message,
    Text,
    Tool,
    ToolCallDelta,
    Usage,
)
from streamsrv.engines.loaded import Engines
from streamsrv.engines.recognizers import Recognizers
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, Synthesizer, Voice
from streamsrv.errors import EngineError
from streamsrv.inference.scheduler import Scheduler

LOUD = 1000
"""Peak (int16) above which `LoudnessVad` detects speech."""

Answer = str | tuple[str, str] | EngineError
"""An answer of a scripted chat model: text, a tool call `(name, arguments)`, or an error that it raises."""


class CountsStreams:
    """Counts the streams that are open: 0 when no session is left."""

    open_streams = 0

    @contextmanager
    def counted(self) -> Generator[None]:
        """Count a stream as open within the block."""
        self.open_streams += 1
        try:
            yield
        finally:
            self.open_streams -= 1


class LoudnessVad:
    """Detects every frame whose peak is above `LOUD` as speech."""

    name = "loudness"

    def open(self) -> "LoudnessVad":
        return self

    def probabilities(self, frames: NDArray[np.int16]) -> list[float]:
        return [1.0 if np.abs(frame).max() > LOUD else 0.0 for frame in frames]


class ScriptedRecognizer(CountsStreams):
    """Gives the same final transcript for any audio.

    `partials`: partial transcripts, each with the ms of audio after which it is given.
    """

    name = "scripted-recognizer"
    abilities = Abilities(prompt=True)

    def __init__(self, text: str = "hello", partials: Sequence[tuple[int, Transcript]] = ()) -> None:
        self.text = text
        self.partials = partials

    def connect(self) -> StatelessSession:
        return StatelessSession(self.open)

    def open(self, options: RecognitionOptions) -> "_ScriptedRecognition":
        return _ScriptedRecognition(self)

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


class _ScriptedRecognition:
    def __init__(self, recognizer: ScriptedRecognizer) -> None:
        self._final = Transcript(recognizer.text, is_final=True)
        self._partials = list(recognizer.partials)
        self._samples = 0
        self._known: asyncio.Queue[Transcript] = asyncio.Queue(len(self._partials) + 1)
        self._open = ExitStack()
        self._open.enter_context(recognizer.counted())

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None:
        self._samples += len(pcm)
        while self._partials and self._partials[0][0] * SPEECH_RATE_HZ <= self._samples * 1000:
            self._known.put_nowait(self._partials.pop(0)[1])

    def finish(self) -> None:
        self._known.put_nowait(self._final)

    async def aclose(self) -> None:
        self._open.close()

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        transcript = await self._known.get()
        while not transcript.is_final:
            yield transcript
            transcript = await self._known.get()
        yield transcript


class ScriptedChatModel(CountsStreams):
    """Gives the next of its answers to each request, and "All right." after the last.

    `hold`: each answer waits before its last word until this event is set. `asked` holds the messages of every request,
    `cancelled` counts the answers that were stopped before their end.
    """

    def __init__(self, *answers: Answer, name: str = "scripted-model") -> None:
        self.name = name
        self.abilities = ChatAbilities(calls_tools=True)
        self.occupancy = None
        self.answers = list(answers)
        self.asked: list[Sequence[Message]] = []
        self.hold: asyncio.Event | None = None
        self.cancelled = 0

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        self.asked.append(messages)
        answer = self.answers.pop(0) if self.answers else "All right."
        if isinstance(answer, EngineError):
            raise answer
        with self.counted():
            try:
                if isinstance(answer, tuple):
                    name, arguments = answer
                    yield ToolCallDelta(0, call_id=f"call_{len(self.asked)}", name=name)
                    yield ToolCallDelta(0, arguments=arguments)
                    yield Usage(10, 5)
                    yield Finished("tool_calls")
                    return
                *words, last = answer.split(" ")
                for word in words:
                    yield Text(word + " ")
                if self.hold is not None:
                    await self.hold.wait()
                yield Text(last)
                yield Usage(10, len(answer.split()))
                yield Finished("stop")
            except (GeneratorExit, asyncio.CancelledError):
                self.cancelled += 1
                raise

    async def warm_up(self, messages: Sequence[Message] = ()) -> None: ...

    async def prepare(self, messages: Sequence[Message]) -> None: ...

    async def aclose(self) -> None: ...


class ToneSynthesizer(CountsStreams):
    """Speaks every text as a tone of 60 ms a character."""

    name = "tone"
    sample_rate = PCM_RATE_HZ
    voices: tuple[Voice, ...] = (Voice("tone"), Voice("bell"))
    clones_voices = False
    min_speed, max_speed = 0.25, 4.0

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        samples = np.arange(len(text) * PCM_RATE_HZ * 60 // 1000)
        with self.counted():
            yield SpeechChunk((8000 * np.sin(samples * 2 * np.pi * 440 / PCM_RATE_HZ)).astype(np.int16))

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


def fake_engines(
    chat: ChatModel | None = None,
    transcript: str = "hello",
    *,
    recognizer: Recognizer | None = None,
    synthesizer: Synthesizer | None = None,
) -> Engines:
    """Return engines without models; `transcript` is the text of the default recogniser."""
    breakers = Breakers(time.monotonic)
    return Engines(
        vad=LoudnessVad(),
        recognizers=Recognizers([recognizer or ScriptedRecognizer(transcript)], breakers),
        chat=chat or ScriptedChatModel(),
        synthesizer=synthesizer or ToneSynthesizer(),
        scheduler=Scheduler(1),
        voice_activity=Scheduler(1, name="voice-activity"),
        chat_by_name={},
        breakers=breakers,
    )


def open_streams(engines: Engines) -> dict[str, int]:
    """Return the number of open streams by the name of the fake; fakes without open streams are left out."""
    recognizer = engines.recognizer
    recognizers = recognizer.recognizers if isinstance(recognizer, FallbackRecognizer) else [recognizer]
    stages = (*recognizers, engines.chat, engines.synthesizer, *engines.chat_by_name.values())
    return {
        stage.name: stage.open_streams for stage in stages if isinstance(stage, CountsStreams) and stage.open_streams
    }
