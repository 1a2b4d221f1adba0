"""Keeps the answers of a chat model within the limits of what their account may spend."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from streamsrv.engines.llm.base import AnsweredBy, ChatModel, ChatOptions, Delta, Message, Route, Tool
from streamsrv.engines.metering.accounts import spender
from streamsrv.inference.occupancy import Occupancy

CHEAPEST = "cheapest"
"""Name of the router's policy for the cheapest model that can answer."""


class CappedChatModel:
    """`model`, as long as the account of a request has money left.

    When most of a limit is spent, `router` is asked in its place, with the policy `cheapest`, also if the client has
    named a model or a policy: the limit is the operator's. When all is spent, `stream` raises `QuotaSpent`.
    """

    def __init__(self, model: ChatModel, router: ChatModel) -> None:
        self.name = model.name
        self.abilities = model.abilities
        self._model = model
        self._router = router

    @property
    def occupancy(self) -> Occupancy | None:
        return self._model.occupancy

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        model = self._model
        if (account := spender(options.account)) is not None and (standing := account.check()).level == "saving":
            model = self._router
            options = replace(options, routing=replace(options.routing, policy=CHEAPEST))
            if model.name != self.name:
                yield AnsweredBy(model.name, route=Route((model.name,), standing.reason, CHEAPEST))
        async with aclosing(model.stream(messages, tools, options)) as deltas:
            async for delta in deltas:
                yield delta

    async def warm_up(self, messages: Sequence[Message] = ()) -> None:
        await self._model.warm_up(messages)

    async def prepare(self, messages: Sequence[Message]) -> None:
        await self._model.prepare(messages)

    async def aclose(self) -> None:
        """The model goes on: others ask it, too."""
