"""Collects what the parts of the core want done, in order."""

from collections.abc import Callable
from typing import Any

from streamsrv.core.effects import Effect, SendEvent


class Outbox:
    """The effects of one input; `new_id("item")` makes ids such as `item_4f0c...`."""

    def __init__(self, new_id: Callable[[str], str]) -> None:
        self.new_id = new_id
        self._effects: list[Effect] = []

    def emit(self, effect: Effect) -> None:
        self._effects.append(effect)

    def send(self, event_type: str, **fields: Any) -> None:
        """Send a server event; it gets an `event_id` of its own."""
        self.emit(SendEvent({"type": event_type, "event_id": self.new_id("event"), **fields}))

    def withdraw(self, effect: Effect) -> None:
        """Do not ask for this after all."""
        self._effects.remove(effect)

    def take(self) -> list[Effect]:
        """Hand over what was collected since the last call."""
        effects, self._effects = self._effects, []
        return effects
