"""The voice of a session: runs the language model and the synthesiser for each generation."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any

from streamsrv.core.effects import Generate, PrepareModel, StopGeneration, Synthesize
from streamsrv.core.inputs import Failure, GenerationFailed, Input, ModelOutput, SegmentSpoken, SpeechOutput
from streamsrv.engines.llm.base import AnsweredBy, ChatModel
from streamsrv.engines.tts.base import Synthesizer
from streamsrv.errors import EngineError
from streamsrv.runtime.hearing import Spawn

logger = logging.getLogger(__name__)


class Generating:
    """One task for the model and one for each segment; what they yield goes to the core (`report`)."""

    def __init__(
        self, chat: ChatModel, synthesizer: Synthesizer, spawn: Spawn, report: Callable[[Input], None]
    ) -> None:
        self._chat = chat
        self._synthesizer = synthesizer
        self._spawn = spawn
        self._report = report
        self._tasks: defaultdict[int, set[asyncio.Task[None]]] = defaultdict(set)

    def prepare(self, effect: PrepareModel) -> None:
        self._spawn(self._prepare(effect))

    def generate(self, effect: Generate) -> None:
        self._start(effect.generation, "language model", lambda: self._generate(effect))

    def synthesize(self, effect: Synthesize) -> None:
        self._start(effect.generation, "speech synthesiser", lambda: self._synthesize(effect))

    def stop(self, effect: StopGeneration) -> None:
        """Cancel what the generation still runs, except the task whose result ended it: that one is at its end."""
        current = asyncio.current_task()
        for task in self._tasks.pop(effect.generation, set()):
            if task is not current:
                task.cancel()

    def _start(self, generation: int, stage: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self._spawn(self._run(generation, stage, work))
        self._tasks[generation].add(task)
        task.add_done_callback(lambda done: self._forget(generation, done))

    def _forget(self, generation: int, task: "asyncio.Task[None]") -> None:
        tasks = self._tasks.get(generation, set())
        tasks.discard(task)
        if not tasks:
            self._tasks.pop(generation, None)

    async def _run(self, generation: int, stage: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except EngineError as error:
            logger.warning("%s failed: %s", stage, error)
            self._report(GenerationFailed(generation, Failure.of(error)))
        except Exception:
            logger.exception("%s failed", stage)
            self._report(GenerationFailed(generation, Failure("unavailable", f"The {stage} failed.")))

    async def _prepare(self, effect: PrepareModel) -> None:
        try:
            await self._chat.prepare(effect.messages)
        except EngineError as error:
            logger.info("the language model could not be prepared: %s", error)

    async def _generate(self, effect: Generate) -> None:
        self._report(ModelOutput(effect.generation, AnsweredBy(self._chat.name)))
        async with aclosing(self._chat.stream(effect.messages, effect.tools, effect.options)) as deltas:
            async for delta in deltas:
                self._report(ModelOutput(effect.generation, delta))

    async def _synthesize(self, effect: Synthesize) -> None:
        rate = self._synthesizer.sample_rate
        async with aclosing(self._synthesizer.stream(effect.text, effect.options)) as chunks:
            async for chunk in chunks:
                self._report(SpeechOutput(effect.generation, chunk.pcm, rate, chunk.words))
        self._report(SegmentSpoken(effect.generation))
