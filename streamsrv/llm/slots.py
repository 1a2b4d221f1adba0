"""Keeps each conversation on the slot that has already read it. Pure."""

from collections.abc import Sequence
from itertools import takewhile

from streamsrv.llm.base import Message

_CONTINUES = 1 / 3
"""Share of a slot's messages that a prompt must repeat to be its continuation (it drops old turns now and then)."""


class SlotTable:
    """The slots of a server, and what each was last given to read.

    llama.cpp alone gives a prompt to the slot with the longest common beginning. All prompts here begin alike, so that
    conversations would push each other out of slots while others stand empty.
    """

    def __init__(self, count: int) -> None:
        self._read: list[tuple[Message, ...]] = [()] * count
        self._free = list(range(count))  # the longest free first

    def take(self, messages: Sequence[Message]) -> int:
        """The free slot that has read most of this conversation, or the one unused for longest. There must be one."""
        prompt = tuple(messages)
        repeated = {slot: _repeated(self._read[slot], prompt) for slot in self._free}
        known = [slot for slot in self._free if sum(repeated[slot]) > _CONTINUES * len(self._read[slot])]
        slot = max(known, key=lambda slot: repeated[slot], default=self._free[0])
        self._free.remove(slot)
        self._read[slot] = prompt
        return slot

    def give_back(self, slot: int) -> None:
        """The answer is complete, or was broken off."""
        self._free.append(slot)

    def share_latest(self) -> list[int]:
        """All slots, which must be free, the latest used first: from now on they have all read what it has."""
        latest = self._free[-1]
        self._read = [self._read[latest]] * len(self._read)
        return [latest, *(slot for slot in self._free if slot != latest)]


def _repeated(read: Sequence[Message], prompt: Sequence[Message]) -> tuple[int, int]:
    """How many messages the prompt repeats from the beginning of `read`, and how many from its end.

    A prompt from which old turns were dropped has little of the beginning, but all of the end.
    """
    beginning = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(read, prompt, strict=False)))
    said = set(prompt)
    return beginning, sum(1 for _ in takewhile(said.__contains__, reversed(read)))
