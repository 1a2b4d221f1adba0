"""Keeps each conversation on the slot that has already read it. Pure."""

from collections.abc import Sequence

from streamsrv.llm.base import Message

_CONTINUES = 1 / 3
"""Share of a slot's messages that a prompt must repeat to be its continuation (it drops old turns now and then)."""


class SlotTable:
    """The slots of a server, and what each was last given to read.

    llama.cpp alone gives a prompt to the slot with the longest common beginning. All prompts here begin alike, so that
    conversations would push each other out of slots while others stand empty.
    """

    def __init__(self, count: int) -> None:
        self._read: list[frozenset[Message]] = [frozenset()] * count
        self._free = list(range(count))  # the longest free first

    def take(self, messages: Sequence[Message]) -> int:
        """The free slot that has read most of this conversation, or the one unused for longest. There must be one."""
        prompt = frozenset(messages)
        known = [slot for slot in self._free if len(self._read[slot] & prompt) > _CONTINUES * len(self._read[slot])]
        slot = max(known, key=lambda slot: len(self._read[slot] & prompt), default=self._free[0])
        self._free.remove(slot)
        self._read[slot] = prompt
        return slot

    def give_back(self, slot: int) -> None:
        """The answer is complete, or was broken off."""
        self._free.append(slot)
