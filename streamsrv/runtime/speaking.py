"""Runs the language model and the synthesiser for each generation of a session."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Literal

from streamsrv.core.effects import Generate, PrepareModel, StopGeneration, Synthesize
from streamsrv.core.inputs import Failure, GenerationFailed, Input, ModelOutput, SegmentSpoken, SpeechOutput
from streamsrv.engines.boundary import engine_call
from streamsrv.engines.llm.base import AnsweredBy, ChatModel, Finished
from streamsrv.engines.metering.accounts import SpendingAccount, free_account
from streamsrv.engines.tts.base import Synthesizer
from streamsrv.errors import EngineError, Unavailable
from streamsrv.runtime.tasks import Spawn

logger = logging.getLogger(__name__)

MODEL = "language model"
SYNTHESIZER = "speech synthesiser"


class _Work:
    """One task of a generation: it reports results until it has no more, or is told to stop.

    A report may stop the task that makes it. That task is not cancelled: `report` returns False and the task returns.
    """

    def __init__(self, report: Callable[[Input], None]) -> None:
        self.task: asyncio.Task[None] | None = None
        self._report = report
        self._is_reporting = False
        self._is_stopped = False

    def report(self, happened: Input) -> bool:
        """Report a result; return whether to go on."""
        self._is_reporting = True
        try:
            self._report(happened)
        finally:
            self._is_reporting = False
        return not self._is_stopped

    def stop(self) -> None:
        """Cancel the task, or if it is reporting, let `report` return False."""
        self._is_stopped = True
        if not self._is_reporting and self.task is not None:
            self.task.cancel()


_Stage = Literal["chat", "synthesizer"]
_Run = Callable[[_Work], Coroutine[Any, Any, None]]


class Speaking:
    """Runs one task for the model and one for each segment, and passes their output to the core (`report`).

    `account` pays for them; None: nothing has a price.
    """

    def __init__(
        self,
        chat: ChatModel,
        synthesizer: Synthesizer,
        spawn: Spawn,
        report: Callable[[Input], None],
        account: SpendingAccount | None = None,
    ) -> None:
        self._account = account or free_account()
        self._chat = chat
        self._synthesizer = synthesizer
        self._spawn = spawn
        self._report = report
        self._works: defaultdict[int, set[_Work]] = defaultdict(set)

    def prepare(self, effect: PrepareModel) -> None:
        self._spawn(self._prepare(effect))

    def generate(self, effect: Generate) -> None:
        self._start(effect.generation, "chat", lambda work: self._generate(effect, work))

    def synthesize(self, effect: Synthesize) -> None:
        self._start(effect.generation, "synthesizer", lambda work: self._synthesize(effect, work))

    def stop(self, effect: StopGeneration) -> None:
        """Stop all tasks of the generation."""
        for work in self._works.pop(effect.generation, set()):
            work.stop()

    def _start(self, generation: int, stage: _Stage, run: _Run) -> None:
        work = _Work(self._report)
        work.task = self._spawn(self._run(generation, stage, work, run))
        self._works[generation].add(work)
        work.task.add_done_callback(lambda _: self._forget(generation, work))

    def _forget(self, generation: int, work: _Work) -> None:
        work.task = None  # breaks the reference cycle of task and work
        works = self._works.get(generation, set())
        works.discard(work)
        if not works:
            self._works.pop(generation, None)

    async def _run(self, generation: int, stage: _Stage, work: _Work, run: _Run) -> None:
        try:
            await run(work)
        except EngineError as error:
            logger.warning("generation %d failed: %s", generation, error)
            work.report(GenerationFailed(generation, Failure.of(error), stage))

    async def _prepare(self, effect: PrepareModel) -> None:
        try:
            with engine_call(MODEL):
                await self._chat.prepare(effect.messages)
        except EngineError as error:
            logger.info("the language model could not be prepared: %s", error)

    async def _generate(self, effect: Generate, work: _Work) -> None:
        if not work.report(ModelOutput(effect.generation, AnsweredBy(self._chat.name))):
            return
        finished = False
        with engine_call(MODEL):
            options = replace(effect.options, account=self._account.part(effect.generation))
            async with aclosing(self._chat.stream(effect.messages, effect.tools, options)) as deltas:
                async for delta in deltas:
                    finished = finished or isinstance(delta, Finished)
                    is_wanted = work.report(ModelOutput(effect.generation, delta))
                    if not (is_wanted or finished):  # after its last delta a stream ends by itself
                        return
        if not finished:
            raise Unavailable("The language model's stream ended without a finish reason.")

    async def _synthesize(self, effect: Synthesize, work: _Work) -> None:
        with engine_call(SYNTHESIZER):
            rate = self._synthesizer.sample_rate
            options = replace(effect.options, account=self._account.part(effect.generation))
            async with aclosing(self._synthesizer.stream(effect.text, options)) as chunks:
                async for chunk in chunks:
                    speech = SpeechOutput(effect.generation, chunk.pcm, rate, chunk.words, chunk.spoken_by)
                    if not work.report(speech):
                        return
        work.report(SegmentSpoken(effect.generation))
