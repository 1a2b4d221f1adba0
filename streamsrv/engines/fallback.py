"""Combines several chat models into one: if the first cannot answer, the next does."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from copy import copy

from streamsrv.engines.boundary import engine_call
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
    is asked. Each failure is logged as a warning. A model that was `Unavailable` is tried last for `rest_s` seconds, so
    that not every answer waits for its timeout. `clock` returns seconds.
    """

    def __init__(
        self, models: Sequence[ChatModel], *, rest_s: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = models[0].name
        self._models: tuple[ChatModel, ...] = tuple(models)
        self._rest_s = rest_s
        self._clock = clock
        self._resting_until = [-math.inf] * len(models)
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
                                logger.info("%s answers", model.name)
                            yield delta
                return
            except EngineError as error:
                self._note(position, error)
                if has_spoken or (position == 0 and isinstance(error, Rejected)):
                    raise
                errors[position] = error
        raise _summary(errors)

    async def warm_up(self, messages: Sequence[Message] = ()) -> None:
        """Warm up all models at the same time; raises only if all of them fail."""
        results = await asyncio.gather(*(model.warm_up(messages) for model in self._models), return_exceptions=True)
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
        """Warm up the first model; raises its error, after which that model rests as after a failed request."""
        try:
            await self._models[0].warm_up()
        except EngineError as error:
            self._remember(0, error)
            raise

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Prepare the model that would answer now."""
        await self._models[self._order()[0]].prepare(messages)

    async def aclose(self) -> None:
        """Close all models."""
        for model in self._models:
            await model.aclose()

    def _order(self) -> list[int]:
        now = self._clock()
        return sorted(range(len(self._models)), key=lambda position: self._resting_until[position] > now)

    def _note(self, position: int, error: EngineError) -> None:
        logger.warning("%s failed (%s): %s", self._models[position].name, type(error).__name__, error)
        self._remember(position, error)

    def _remember(self, position: int, error: EngineError) -> None:
        self._last_error[position] = str(error)
        if isinstance(error, Unavailable):
            name = self._models[position].name
            self._problems[position] = f"{name} refuses its key." if error.refuses_key else f"{name} does not answer."
            self._resting_until[position] = self._clock() + self._rest_s


def _summary(errors: Mapping[int, EngineError]) -> EngineError:
    """Combine the errors of the models, by position, into one."""
    if len(errors) == 1:
        return next(iter(errors.values()))
    in_order = [errors[position] for position in sorted(errors)]
    kind = Overloaded if isinstance(in_order[0], Overloaded) else Unavailable
    return kind(f"No language model can answer. {' '.join(str(error) for error in in_order)}")
