"""Wrappers that make any engine slow, failing or silent: the nth call gets the nth `Fault`, later calls get none."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from streamsrv.engines.asr.base import (
    RecognitionOptions,
    RecognitionSession,
    RecognitionStream,
    Recognizer,
    Transcript,
)
from streamsrv.engines.llm.base import ChatModel, ChatOptions, Delta, Message, Tool
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, Synthesizer
from streamsrv.errors import Overloaded
from streamsrv.testing.clocks import Clock, WallClock
from streamsrv.testing.faults import Fault, fault_of

Result = TypeVar("Result")


class FaultyRecognizer:
    """A recogniser with faults. A call is a recognition; `open` raises an `Overloaded` that comes before any result."""

    def __init__(self, recognizer: Recognizer, *faults: Fault, clock: Clock | None = None) -> None:
        self.name = f"faulty-{recognizer.name}"
        self.abilities = recognizer.abilities
        self._recognizer = recognizer
        self._faults = faults
        self._clock = clock or WallClock()
        self._calls = 0

    def connect(self) -> RecognitionSession:
        return _FaultySession(self._recognizer.connect(), self._disturbed)

    def _disturbed(self, session: RecognitionSession, options: RecognitionOptions) -> RecognitionStream:
        fault = fault_of(self._faults, self._calls)
        self._calls += 1
        if isinstance(fault.error, Overloaded) and fault.after == 0:
            raise fault.error
        return _FaultyRecognition(session.open(options), fault, self._clock)

    async def warm_up(self) -> None:
        await self._recognizer.warm_up()

    async def aclose(self) -> None:
        await self._recognizer.aclose()


class _FaultySession:
    def __init__(
        self,
        session: RecognitionSession,
        open_stream: Callable[[RecognitionSession, RecognitionOptions], RecognitionStream],
    ) -> None:
        self._session = session
        self._open_stream = open_stream

    def open(self, options: RecognitionOptions) -> RecognitionStream:
        return self._open_stream(self._session, options)

    async def aclose(self) -> None:
        await self._session.aclose()


class _FaultyRecognition:
    def __init__(self, stream: RecognitionStream, fault: Fault, clock: Clock) -> None:
        self._stream = stream
        self._fault = fault
        self._clock = clock

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None:
        self._stream.push(pcm, speech=speech)

    def finish(self) -> None:
        self._stream.finish()

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> AsyncIterator[Transcript]:
        return _disturb(aiter(self._stream), self._fault, self._clock)


class FaultyChatModel:
    """A language model with faults. A call is a request."""

    def __init__(self, chat: ChatModel, *faults: Fault, clock: Clock | None = None) -> None:
        self.name = f"faulty-{chat.name}"
        self.abilities = chat.abilities
        self.occupancy = chat.occupancy
        self._chat = chat
        self._faults = faults
        self._clock = clock or WallClock()
        self._calls = 0

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        fault = fault_of(self._faults, self._calls)
        self._calls += 1
        async with aclosing(self._chat.stream(messages, tools, options)) as deltas:
            async for delta in _disturb(deltas, fault, self._clock):
                yield delta

    async def warm_up(self, messages: Sequence[Message] = ()) -> None:
        await self._chat.warm_up(messages)

    async def prepare(self, messages: Sequence[Message]) -> None:
        await self._chat.prepare(messages)

    async def aclose(self) -> None:
        await self._chat.aclose()


class FaultySynthesizer:
    """A synthesiser with faults. A call is a segment."""

    def __init__(self, synthesizer: Synthesizer, *faults: Fault, clock: Clock | None = None) -> None:
        self.name = f"faulty-{synthesizer.name}"
        self.sample_rate = synthesizer.sample_rate
        self.voices = synthesizer.voices
        self.clones_voices = synthesizer.clones_voices
        self.min_speed, self.max_speed = synthesizer.min_speed, synthesizer.max_speed
        self._synthesizer = synthesizer
        self._faults = faults
        self._clock = clock or WallClock()
        self._calls = 0

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        fault = fault_of(self._faults, self._calls)
        self._calls += 1
        async with aclosing(self._synthesizer.stream(text, options)) as chunks:
            async for chunk in _disturb(chunks, fault, self._clock):
                yield chunk

    async def warm_up(self) -> None:
        await self._synthesizer.warm_up()

    async def aclose(self) -> None:
        await self._synthesizer.aclose()


async def _disturb(results: AsyncIterator[Result], fault: Fault, clock: Clock) -> AsyncGenerator[Result, None]:
    given = 0
    if fault.strikes(given):
        await _strike(fault)
    async for result in results:
        await clock.sleep(fault.delay_ms(given))
        yield result
        given += 1
        if fault.strikes(given):
            await _strike(fault)


async def _strike(fault: Fault) -> None:
    if fault.error is not None:
        raise fault.error
    await asyncio.get_running_loop().create_future()  # never done: only cancelling ends the call
