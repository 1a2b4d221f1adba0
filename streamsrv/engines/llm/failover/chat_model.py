"""Combines several chat models into one: if the first cannot answer, the next does."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
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
    Route,
    Text,
    Tool,
    ToolCallDelta,
)
from streamsrv.engines.observer import IGNORED, EngineObserver, ObservedChatModel
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable
from streamsrv.inference.occupancy import Occupancy

logger = logging.getLogger(__name__)

Choose = Callable[[Sequence[Message], Sequence[Tool], ChatOptions], Route]
"""Decides which models may answer a request, by name, the preferred one first. May raise an `EngineError`."""


class FallbackChatModel:
    """`llm.base.ChatModel` over `models`, in order of preference, or in the order of the route that `choose` returns.

    With a route, only its models are asked. If a model fails before its first text or tool call, the next model
    answers. After that its error is raised, because another model must not take over in the middle of a sentence.
    `AnsweredBy` names the model before its first delta, and gives the reason if it is not the preferred one. If the
    preferred model raises `Rejected`, the caller must change the request, and no other model is asked. Each failure is
    logged as a warning. A model whose breaker is open is tried last, so that not every answer waits for its timeout.
    `breakers` are those of the process; None: its own.
    """

    def __init__(
        self, models: Sequence[ChatModel], breakers: Breakers | None = None, *, choose: Choose | None = None
    ) -> None:
        self.name = models[0].name
        self.abilities = models[0].abilities
        self._models: tuple[ChatModel, ...] = tuple(models)
        self._breakers = breakers or Breakers(time.monotonic)
        self._choose = choose
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
        route = self._choose(messages, tools, options) if self._choose else None
        preference = self._positions(route)
        preferred = preference[0]
        errors: dict[int, EngineError] = {}
        for position in self._order(preference):
            model = self._models[position]
            has_begun = has_spoken = False
            trial = self._breakers.of("chat", model.name).begin(self._breakers.clock())
            try:
                with engine_call(f"language model {model.name}"):
                    async with contextlib.aclosing(model.stream(messages, tools, options)) as deltas:
                        async for delta in deltas:
                            if not has_begun:
                                has_begun = True
                                yield self._answered_by(position, preferred, route)
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
                if has_spoken or (position == preferred and isinstance(error, Rejected)):
                    raise
                errors[position] = error
            finally:
                trial.end()
        raise _summary([errors[position] for position in preference])

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
            raise _summary(list(errors.values()))

    async def check(self) -> None:
        """Warm up the first model; raises its error, which counts as that of a failed request."""
        try:
            await self._warm_up(0)
        except EngineError as error:
            self._remember(0, error)
            raise

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Prepare the model that would answer now."""
        await self._models[next(self._order(range(len(self._models))))].prepare(messages)

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

    def _positions(self, route: Route | None) -> Sequence[int]:
        """Return the models that may be asked, the preferred one first."""
        if route is None:
            return range(len(self._models))
        by_name = {model.name: position for position, model in enumerate(self._models)}
        return [by_name[name] for name in route.models]

    def _answered_by(self, position: int, preferred: int, route: Route | None) -> AnsweredBy:
        """Name the model that answers, and report that it takes the place of the preferred one, if it does."""
        name = self._models[position].name
        if position == preferred:
            return AnsweredBy(name, route=route)
        instead_of = self._models[preferred].name
        self._observer.fell_back("chat", instead_of, name)
        return AnsweredBy(name, Fallback(instead_of, self._last_error[preferred]), route)

    def _order(self, preference: Sequence[int]) -> Iterator[int]:
        """Yield each model once: at every step the most preferred that its breaker admits, else the most preferred."""
        untried = list(preference)
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


def _summary(errors: Sequence[EngineError]) -> EngineError:
    """Combine the errors of the models, in the order of preference, into one."""
    if len(errors) == 1:
        return errors[0]
    kind = Overloaded if isinstance(errors[0], Overloaded) else Unavailable
    return kind(f"No language model can answer. {' '.join(str(error) for error in errors)}")
