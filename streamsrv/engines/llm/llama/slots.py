"""Assigns each conversation the slot that has already read it, and decides which states are saved. Pure."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from streamsrv.engines.llm.base import Message

Prompt = tuple[Message, ...]
MIN_SAME_CHARACTERS = 16
"""Fewer characters at the beginning of two messages do not make them the same message."""


@dataclass(frozen=True, slots=True)
class SlotAssignment:
    """The slot that reads a prompt, and what to do with saved states first, in the order of the fields.

    States are named by number.
    """

    slot: int
    save: int | None = None
    """Save the slot's present state under this number, because its conversation may come back."""
    restore: int | None = None
    """Load this state into the slot and delete it from storage."""
    delete: int | None = None
    """Delete this state: it is the oldest of too many."""


class SlotTable:
    """Knows the prompt that each slot of a server read last, and up to `max_saved` evicted conversations.

    By itself, llama.cpp gives a prompt to the slot with the longest common prefix. All prompts here have one, so
    conversations would evict each other while other slots are free.
    """

    def __init__(self, count: int, max_saved: int = 0) -> None:
        self._read: list[Prompt] = [()] * count
        self._free = list(range(count))  # the longest free first
        self._shared: Prompt = ()
        self._saved: dict[int, Prompt] = {}  # the longest saved first
        self._max_saved = max_saved
        self._numbers = itertools.count()

    def take(self, messages: Sequence[Message]) -> SlotAssignment:
        """Assign a free slot to this conversation; there must be one.

        It is the slot that has read most of it. If none has, or a saved state holds more, it is the slot unused for
        longest, whose own state is saved.
        """
        prompt = tuple(messages)
        here = _latest_of(prompt, ((slot, self._read[slot]) for slot in self._free))
        saved = _latest_of(prompt, self._saved.items())
        if here is not None and (saved is None or here[0] >= saved[0]):
            assigned = SlotAssignment(here[1])
        else:
            assigned = self._evict(self._free[0], restore=saved and saved[1])
        self._free.remove(assigned.slot)
        self._read[assigned.slot] = prompt
        return assigned

    def release(self, slot: int) -> None:
        """Free a slot whose answer is complete or cancelled."""
        self._free.append(slot)

    def share_latest(self) -> list[int]:
        """Record that all slots have read what the latest used one has; return them, that one first.

        All must be free.
        """
        latest = self._free[-1]
        self._shared = self._read[latest]
        self._read = [self._shared] * len(self._read)
        return [latest, *(slot for slot in self._free if slot != latest)]

    def _evict(self, slot: int, restore: int | None) -> SlotAssignment:
        if restore is not None:
            del self._saved[restore]
        read = self._read[slot]
        if not self._max_saved or read in ((), self._shared):
            return SlotAssignment(slot, restore=restore)
        save = next(self._numbers)
        self._saved[save] = read
        delete = next(iter(self._saved)) if len(self._saved) > self._max_saved else None
        if delete is not None:
            del self._saved[delete]
        return SlotAssignment(slot, save, restore, delete)


def _latest_of(prompt: Prompt, states: Iterable[tuple[int, Prompt]]) -> tuple[tuple[bool, int, int], int] | None:
    """Return the state that shares most with the prompt, after how much that is; None if the prompt continues none."""
    continued = [(amount, number) for number, read in states if (amount := _continued(read, prompt)) is not None]
    return max(continued, key=lambda state: state[0], default=None)


def _continued(read: Prompt, prompt: Prompt) -> tuple[bool, int, int] | None:
    """How much of `read` the prompt continues; None: nothing.

    Whether its instructions, how many of its messages before the last, and how many characters of that one: a prompt
    may have dropped old turns, and the transcript of the last user message may have grown or changed.
    """
    said, now = _spoken(read)[:-1], _spoken(prompt)
    same_instructions = read[: len(read) - len(_spoken(read))] == prompt[: len(prompt) - len(now)]
    for start in range(len(said)):
        if said[start:] == now[: len(said) - start]:
            return same_instructions, len(said) - start, _same(_spoken(read)[-1], now[len(said) - start :])
    if not same_instructions or said:
        return None
    return True, 0, _same(read[-1], now) if _spoken(read) else 0


def _same(last: Message, now: Prompt) -> int:
    """How many characters at the beginning of the last message that was read stand in the next message now.

    0 if it is less than half of them, because conversations begin with the same few words.
    """
    if not now or now[0].role != last.role:
        return 0
    pairs = zip(last.content, now[0].content, strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return same if same >= max(len(last.content) / 2, MIN_SAME_CHARACTERS) else 0


def _spoken(prompt: Prompt) -> Prompt:
    return tuple(message for message in prompt if message.role != "system")
