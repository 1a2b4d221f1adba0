"""Fakes of every stage, for tests of what is between them. Each says what it is by its name."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

import numpy as np
from numpy.typing import NDArray

from streamsrv.asr.base import RecognitionOptions, Transcript
from streamsrv.errors import EngineError
from streamsrv.inference.scheduler import Scheduler
from streamsrv.llm.base import ChatOptions, Delta, Finished, Message, Text, Tool, ToolCallDelta, Usage
from streamsrv.providers.engines import Engines
from streamsrv.tts.base import SpeechChunk, SpeechOptions

SPEECH_RATE = 24_000


class LoudnessVad:
    """Takes every frame that is not quiet for speech."""

    name = "loudness"

    def open(self) -> "LoudnessVad":
        return self

    def probabilities(self, frames: NDArray[np.int16]) -> list[float]:
        return [1.0 if np.abs(frame).max() > 1000 else 0.0 for frame in frames]


class ScriptedRecognizer:
    """Hears the given text in whatever is said."""

    name = "scripted-recognizer"

    def __init__(self, text: str = "hello") -> None:
        self.text = text

    def open(self, options: RecognitionOptions) -> "_ScriptedRecognition":
        return _ScriptedRecognition(self.text)

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


class _ScriptedRecognition:
    def __init__(self, text: str) -> None:
        self._text = text
        self._finished = asyncio.Event()

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None: ...

    def finish(self) -> None:
        self._finished.set()

    async def aclose(self) -> None: ...

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        await self._finished.wait()
        yield Transcript(self._text, is_final=True)


class ScriptedChatModel:
    """Gives the next of its answers each time: text, a tool call `(name, arguments)`, or an error to raise.

    `hold`: an answer waits before its last word until this is set. `asked` keeps the messages of every request.
    """

    def __init__(self, *answers: str | tuple[str, str] | EngineError, name: str = "scripted-model") -> None:
        self.name = name
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

    async def warm_up(self) -> None: ...

    async def prepare(self, messages: Sequence[Message]) -> None: ...

    async def aclose(self) -> None: ...


class ToneSynthesizer:
    """Speaks every text as a tone, 60 ms for each character."""

    name = "tone"
    sample_rate = SPEECH_RATE
    voices = ("tone",)

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        samples = np.arange(len(text) * SPEECH_RATE * 60 // 1000)
        yield SpeechChunk((8000 * np.sin(samples * 2 * np.pi * 440 / SPEECH_RATE)).astype(np.int16))

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


def fake_engines(chat: ScriptedChatModel | None = None, heard: str = "hello") -> Engines:
    """Engines without a single model in them."""
    chat = chat or ScriptedChatModel()
    return Engines(
        vad=LoudnessVad(),
        recognizer=ScriptedRecognizer(heard),
        chat=chat,
        synthesizer=ToneSynthesizer(),
        scheduler=Scheduler(1),
        voice_activity=Scheduler(1, name="voice-activity"),
        chat_by_name={},
    )
