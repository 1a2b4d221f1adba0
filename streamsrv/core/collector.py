"""Collects the effects of one part of the core, in the order in which it decides them."""

from collections.abc import Iterable
from typing import Any

from streamsrv.core.effects import Effect, send_event


class Collector:
    """Private to the part that makes it: other parts return their effects, and their caller adds them here."""

    def __init__(self) -> None:
        self._effects: list[Effect] = []

    def add(self, effects: Iterable[Effect]) -> None:
        self._effects += effects

    def emit(self, effect: Effect) -> None:
        self._effects.append(effect)

    def send(self, event_type: str, **fields: Any) -> None:
        """Send a server event."""
        self._effects.append(send_event(event_type, **fields))

    def take(self) -> list[Effect]:
        """Hand over what was collected since the last call."""
        effects, self._effects = self._effects, []
        return effects
