"""Combines several chat models into one: if the first cannot answer, the next does."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from copy import copy

from streamsrv.engines.boundary import engine_call
from streamsrv.engines.breaker import Breakers, problem
from streamsrv.engines.llm.base import (
    AnsweredBy,
    ChatModel,
    ChatOptions,
    Delta,
    Fallback,
    Message,
    Text,
    Tool,
    ToolCallDelta,
)
from streamsrv.engines.observer import IGNORED, EngineObserver, ObservedChatModel
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable
from streamsrv.inference.occupancy import Occupancy

logger = logging.getLogger(__name__)


class FallbackChatModel:
    """`llm.base.ChatModel` over `models`, in order of preference.

    If a model fails before its first text or tool call, the next model answers. After that its error is raised, because
    another model must not take over in the middle of a sentence. `AnsweredBy` names the model if it is not the first,
    and gives the reason. If the first model raises `Rejected`, the caller must change the request, and no other model
    is asked. Each failure is logged as a warning. A model whose breaker is open is tried last, so that not every answer
    waits for its timeout. `breakers` are those of the process; None: its own.
    """

    def __init__(self, models: Sequence[ChatModel], breakers: Breakers | None = None) -> None:
        self.name = models[0].name
        self.abilities = models[0].abilities
        self._models: tuple[ChatModel, ...] = tuple(models)
        self._breakers = breakers or Breakers(time.monotonic)
        self._last_error = [""] * len(models)
        self._problems = [""] * len(models)
        self._observer: EngineObserver = IGNORED

    def observed(self, observer: EngineObserver) -> "FallbackChatModel":
        """Return the same models, with what is known about them, which report to `observer`."""
        observed = copy(self)
        observed._models = tuple(ObservedChatModel(model, observer) for model in self._models)
        observed._observer = observer
        return observed

    @property
    def stand_ins(self) -> Sequence[ChatModel]:
        """The models that answer if the first one cannot."""
        return self._models[1:]

    @property
    def problems(self) -> list[str]:
        """A sentence for each model whose latest request failed, because it is unavailable or refuses its key."""
        return [problem for problem in self._problems if problem]

    @property
    def occupancy(self) -> Occupancy | None:
        """The occupancy of the first local model; None if there is none."""
        return next((model.occupancy for model in self._models if model.occupancy is not None), None)

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        """Answer with the first model that can.

        If no model can answer, the error is `Overloaded` or `Unavailable`, as for the first model, with all messages.
        """
        errors: dict[int, EngineError] = {}
        for position in self._order():
            model = self._models[position]
            has_begun = has_spoken = False
            trial = self._breakers.of("chat", model.name).begin(self._breakers.clock())
            try:
                with engine_call(f"language model {model.name}"):
                    async with contextlib.aclosing(model.stream(messages, tools, options)) as deltas:
                        async for delta in deltas:
                            if position and not has_begun:
                                self._observer.fell_back("chat", self.name, model.name)
                                yield AnsweredBy(model.name, Fallback(self.name, self._last_error[0]))
                            has_begun = True
                            if not has_spoken and isinstance(delta, Text | ToolCallDelta):
                                has_spoken = True
                                self._problems[position] = ""
                                trial.succeeded()
                                logger.info("%s answers", model.name)
                            yield delta
                trial.succeeded()
                return
            except EngineError as error:
                trial.failed(error, self._breakers.clock())
                self._note(position, error)
                if has_spoken or (position == 0 and isinstance(error, Rejected)):
                    raise
                errors[position] = error
            finally:
                trial.end()
        raise _summary(errors)

    async def warm_up(self, messages: Sequence[Message] = ()) -> None:
        """Warm up all models at the same time; raises only if all of them fail."""
        positions = range(len(self._models))
        results = await asyncio.gather(*(self._warm_up(i, messages) for i in positions), return_exceptions=True)
        errors: dict[int, EngineError] = {}
        for position, error in enumerate(results):
            if isinstance(error, EngineError):
                self._note(position, error)
                errors[position] = error
            elif error is not None:
                raise error
        if len(errors) == len(self._models):
            raise _summary(errors)

    async def check(self) -> None:
        """Warm up the first model; raises its error, which counts as that of a failed request."""
        try:
            await self._warm_up(0)
        except EngineError as error:
            self._remember(0, error)
            raise

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Prepare the model that would answer now."""
        await self._models[next(self._order())].prepare(messages)

    async def aclose(self) -> None:
        """Close all models."""
        for model in self._models:
            await model.aclose()

    async def _warm_up(self, position: int, messages: Sequence[Message] = ()) -> None:
        model = self._models[position]
        trial = self._breakers.of("chat", model.name).begin(self._breakers.clock())
        try:
            await (model.warm_up(messages) if messages else model.warm_up())
            trial.succeeded()
        except EngineError as error:
            trial.failed(error, self._breakers.clock())
            raise
        finally:
            trial.end()

    def _order(self) -> Iterator[int]:
        """Yield each model once: at every step the most preferred that its breaker admits, else the most preferred."""
        untried = list(range(len(self._models)))
        while untried:
            now_s = self._breakers.clock()
            admitted = (i for i in untried if self._breakers.of("chat", self._models[i].name).admits(now_s))
            position = next(admitted, untried[0])
            untried.remove(position)
            yield position

    def _note(self, position: int, error: EngineError) -> None:
        logger.warning("%s failed (%s): %s", self._models[position].name, type(error).__name__, error)
        self._remember(position, error)

    def _remember(self, position: int, error: EngineError) -> None:
        self._last_error[position] = str(error)
        if isinstance(error, Unavailable):
            self._problems[position] = problem(self._models[position].name, error)


def _summary(errors: Mapping[int, EngineError]) -> EngineError:
    """Combine the errors of the models, by position, into one."""
    if len(errors) == 1:
        return next(iter(errors.values()))
    in_order = [errors[position] for position in sorted(errors)]
    kind = Overloaded if isinstance(in_order[0], Overloaded) else Unavailable
    return kind(f"No language model can answer. {' '.join(str(error) for error in in_order)}")
