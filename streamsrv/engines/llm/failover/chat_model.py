"""Combines several chat models into one: if the first cannot answer, the next does."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from copy import copy

from streamsrv.engines.breaker import Breakers
from streamsrv.engines.llm.base import ChatAbilities, ChatModel, ChatOptions, Delta, Message, Route, Tool
from streamsrv.engines.llm.failover.members import Members, summary
from streamsrv.engines.llm.failover.relay import Relay
from streamsrv.engines.observer import EngineObserver, ObservedChatModel
from streamsrv.errors import EngineError
from streamsrv.inference.occupancy import Occupancy

Choose = Callable[[Sequence[Message], Sequence[Tool], ChatOptions], Route]
"""Decides which models may answer a request, by name, the preferred one first. May raise an `EngineError`."""


class FallbackChatModel:
    """`llm.base.ChatModel` over `models`, in order of preference, or in the order of the route that `choose` returns.

    With a route, only its models are asked. `AnsweredBy` names the model before its first delta, and gives the reason
    if it is not the preferred one.

    - A model that fails before its first words is followed by the next one. If the preferred model raises `Rejected`,
      the caller must change the request, and no other model is asked.
    - A model that gives no token for its patience is kept waiting for, and the next one is asked, too. The first to
      answer is heard, the others are cancelled. Thinking counts as a token.
    - A model that fails, or falls silent, after its first words is followed by the next one, which goes on from those
      words; at last it is asked again itself, once.
    - Function calls are given when the model has finished, so that a call is whole or was never made.
    - A model whose breaker is open is tried last, so that not every answer waits for it. One that was late twice in a
      row counts as failed.

    `breakers` are those of the process; None: its own. `patience_s`: see `Members`; None: no limit. `name` and
    `abilities` are those of the first model, if they are not given.
    """

    def __init__(
        self,
        models: Sequence[ChatModel],
        breakers: Breakers | None = None,
        *,
        choose: Choose | None = None,
        patience_s: Mapping[str, float] | None = None,
        name: str = "",
        abilities: ChatAbilities | None = None,
    ) -> None:
        self.name = name or models[0].name
        self.abilities = abilities or models[0].abilities
        self._choose = choose
        self._members = Members(models, breakers or Breakers(time.monotonic), patience_s or {})

    def observed(self, observer: EngineObserver) -> "FallbackChatModel":
        """Return the same models, with what is known about them, which report to `observer`."""
        observed = copy(self)
        observed._members = self._members.observed(observer, lambda model: ObservedChatModel(model, observer))
        return observed

    @property
    def models(self) -> Sequence[ChatModel]:
        """All models, in order of preference."""
        return self._members.models

    @property
    def stand_ins(self) -> Sequence[ChatModel]:
        """The models that answer if the first one cannot."""
        return self._members.models[1:]

    @property
    def problems(self) -> list[str]:
        """A sentence for each model whose latest request failed, because it is unavailable or refuses its key."""
        return [problem for problem in self._members.problems if problem]

    @property
    def occupancy(self) -> Occupancy | None:
        """The occupancy of the first local model; None if there is none."""
        return next((model.occupancy for model in self._members.models if model.occupancy is not None), None)

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        """Answer with the first model that can.

        If no model can answer, the error is `Overloaded` or `Unavailable`, as for the first model, with all messages.
        """
        route = self._choose(messages, tools, options) if self._choose else None
        async with aclosing(Relay(self._members, route, messages, tools, options).deltas()) as deltas:
            async for delta in deltas:
                yield delta

    async def warm_up(self, messages: Sequence[Message] = ()) -> None:
        """Warm up all models at the same time; raises only if all of them fail."""
        positions = range(len(self._members.models))
        results = await asyncio.gather(*(self._warm_up(i, messages) for i in positions), return_exceptions=True)
        errors: list[EngineError] = []
        for position, error in enumerate(results):
            if isinstance(error, EngineError):
                self._members.remember(position, error)
                errors.append(error)
            elif error is not None:
                raise error
        if len(errors) == len(results):
            raise summary(errors)

    async def check(self, position: int = 0) -> None:
        """Warm up one model; raises its error, which counts as that of a failed request."""
        try:
            await self._warm_up(position)
        except EngineError as error:
            self._members.remember(position, error)
            raise

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Prepare the model that would answer now."""
        members = self._members
        await members.models[members.first_of(range(len(members.models)))].prepare(messages)

    async def aclose(self) -> None:
        """Close all models."""
        for model in self._members.models:
            await model.aclose()

    async def _warm_up(self, position: int, messages: Sequence[Message] = ()) -> None:
        members = self._members
        model, trial = members.models[position], members.begin(position)
        try:
            await (model.warm_up(messages) if messages else model.warm_up())
            trial.succeeded()
        except EngineError as error:
            trial.failed(error, members.breakers.clock())
            raise
        finally:
            trial.end()
