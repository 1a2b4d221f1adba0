"""Adds to `response.done` what the response, the turn and the session have cost."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from streamsrv.core.effects import SendEvent
from streamsrv.engines.metering.accounts import SpendingAccount, cost_to_wire, standing_to_wire, to_usd


class CostTeller:
    """Sends the events of a session by `send`, with the costs that `account` knows."""

    def __init__(self, account: SpendingAccount, send: Callable[[SendEvent], None]) -> None:
        self._account = account
        self._send = send
        self._told_usd = Decimal(0)

    def send_event(self, effect: SendEvent) -> None:
        self._send(self._with_cost(effect) if effect.type == "response.done" else effect)

    def _with_cost(self, effect: SendEvent) -> SendEvent:
        """A turn costs what the session has cost since the conversation's response before: recognition, discarded
        speculation and other responses, too.
        """
        response: dict[str, Any] = effect.fields["response"]
        session = self._account.cost()
        cost = cost_to_wire(self._account.cost_of(effect.generations))
        if response["conversation_id"] is not None:
            cost["turn_usd"] = to_usd(max(session.usd - self._told_usd, Decimal(0)))
            self._told_usd = session.usd
        cost["session_usd"] = to_usd(session.usd)
        if (standing := self._account.standing).level != "within":
            cost["limit"] = standing_to_wire(standing)
        own: dict[str, Any] = {**response.get("streamsrv", {}), "cost": cost}
        return replace(effect, fields={**effect.fields, "response": {**response, "streamsrv": own}})
