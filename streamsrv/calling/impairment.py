"""Loses, delays, repeats and reorders the caller's audio on its way to the provider, as a seed decides."""

import heapq
import random
from dataclasses import dataclass

from streamsrv.calling.peers.base import Message

OVERTAKEN_CHUNKS = 2
"""By how many chunks one that is out of order comes late."""


@dataclass(frozen=True, slots=True)
class Impairment:
    """Shares are from 0 to 1. Providers whose streams keep the order delay chunks, but do not reorder them."""

    loss: float = 0.0
    jitter_ms: float = 0.0
    """Each chunk is delayed by a time between 0 and this."""
    repeated: float = 0.0
    reordered: float = 0.0
    seed: int = 0


class Path:
    """Holds chunks until they are due. `keeps_order`: whether no chunk may overtake another."""

    def __init__(self, impairment: Impairment, chunk_ms: float, keeps_order: bool) -> None:
        self._impairment = impairment
        self._chunk_ms = chunk_ms
        self._keeps_order = keeps_order
        self._chance = random.Random(impairment.seed)
        self._waiting: list[tuple[float, int, Message]] = []
        self._count = 0
        self._last_due_ms = 0.0
        self.lost = 0

    def loses(self) -> bool:
        """Decide whether the next chunk is lost."""
        is_lost = self._chance.random() < self._impairment.loss
        self.lost += is_lost
        return is_lost

    def put(self, message: Message, now_ms: float) -> None:
        """Take a chunk that is not lost."""
        due_ms = now_ms + self._chance.random() * self._impairment.jitter_ms
        if self._chance.random() < self._impairment.reordered:
            due_ms += (OVERTAKEN_CHUNKS + 0.5) * self._chunk_ms
        if self._keeps_order:
            due_ms = max(due_ms, self._last_due_ms)
        self._last_due_ms = due_ms
        copies = 2 if self._chance.random() < self._impairment.repeated else 1
        for _ in range(copies):
            heapq.heappush(self._waiting, (due_ms, self._count, message))
            self._count += 1

    def due(self, now_ms: float) -> list[Message]:
        """Return the chunks that arrive now."""
        arrived: list[Message] = []
        while self._waiting and self._waiting[0][0] <= now_ms:
            arrived.append(heapq.heappop(self._waiting)[2])
        return arrived
