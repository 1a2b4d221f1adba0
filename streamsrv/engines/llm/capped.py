"""Keeps the answers of a chat model within the limits of what their account may spend."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from streamsrv.engines.llm.base import AnsweredBy, ChatModel, ChatOptions, Delta, Message, Route, Routing, Tool
from streamsrv.engines.llm.wrapper import ChatModelWrapper
from streamsrv.engines.metering.accounts import spender

CHEAPEST, LOCAL = "cheapest", "local"
"""Names of the router's policies for the cheapest model that can answer, and for those on this machine."""


class CappedChatModel(ChatModelWrapper):
    """`model`, as long as the account of a request has money left.

    When most of a limit is spent, `router` is asked in its place, with the policy `cheapest`, also if the client has
    named a model or a policy: the limit is the operator's. What must not leave this machine stays on it all the same.
    When all is spent, `stream` raises `QuotaSpent`.
    """

    def __init__(self, model: ChatModel, router: ChatModel) -> None:
        super().__init__(model, owns=False)
        self._router = router

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        model, why = self._model, ""
        if (account := spender(options.account)) is not None and (standing := account.check()).level == "saving":
            model, why = self._router, standing.reason
            options = replace(options, routing=_saving(options.routing))
            if model.name != self.name:
                yield AnsweredBy(model.name, route=Route((model.name,), why, CHEAPEST))
        async with aclosing(model.stream(messages, tools, options)) as deltas:
            async for delta in deltas:
                if why and isinstance(delta, AnsweredBy) and (route := delta.route) is not None:
                    delta = replace(delta, route=replace(route, reason=f"{why} {route.reason}"))
                yield delta


def _saving(routing: Routing) -> Routing:
    is_local = routing.local_only or routing.policy == LOCAL
    return replace(routing, policy=CHEAPEST, local_only=is_local, is_saving=True)
