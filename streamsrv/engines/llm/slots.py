"""Keeps each conversation on the slot that has already read it, or parks it. Pure."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from streamsrv.engines.llm.base import Message

Prompt = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a prompt is to be read. Numbers are of states in storage, to be handled in the order of the fields."""

    slot: int
    save: int | None = None
    """The slot's state is to be stored under this number: its conversation will come back."""
    restore: int | None = None
    """The slot is to get this state, which is not needed in storage any more."""
    forget: int | None = None
    """This state is too old."""


class SlotTable:
    """The slots of a server, what each was last given to read, and up to `parked` conversations that had to leave.

    llama.cpp alone gives a prompt to the slot with the longest common beginning. All prompts here begin alike, so that
    conversations would push each other out of slots while others stand empty.
    """

    def __init__(self, count: int, parked: int = 0) -> None:
        self._read: list[Prompt] = [()] * count
        self._free = list(range(count))  # the longest free first
        self._shared: Prompt = ()
        self._parked: dict[int, Prompt] = {}  # the longest parked first
        self._most_parked = parked
        self._numbers = itertools.count()

    def take(self, messages: Sequence[Message]) -> Seat:
        """A free slot for this conversation; there must be one.

        It is the one that has read most of it; else it is the one unused for longest, whose conversation is parked,
        with the state in which this one was parked.
        """
        prompt = tuple(messages)
        here = _latest_of(prompt, ((slot, self._read[slot]) for slot in self._free))
        parked = _latest_of(prompt, self._parked.items())
        if here is not None and (parked is None or here[0] >= parked[0]):
            seat = Seat(here[1])
        else:
            seat = self._vacate(self._free[0], restore=parked and parked[1])
        self._free.remove(seat.slot)
        self._read[seat.slot] = prompt
        return seat

    def give_back(self, slot: int) -> None:
        """The answer is complete, or was broken off."""
        self._free.append(slot)

    def share_latest(self) -> list[int]:
        """All slots, which must be free, the latest used first: from now on they have all read what it has."""
        latest = self._free[-1]
        self._shared = self._read[latest]
        self._read = [self._shared] * len(self._read)
        return [latest, *(slot for slot in self._free if slot != latest)]

    def _vacate(self, slot: int, restore: int | None) -> Seat:
        if restore is not None:
            del self._parked[restore]
        read = self._read[slot]
        if not self._most_parked or read in ((), self._shared):
            return Seat(slot, restore=restore)
        save = next(self._numbers)
        self._parked[save] = read
        forget = next(iter(self._parked)) if len(self._parked) > self._most_parked else None
        if forget is not None:
            del self._parked[forget]
        return Seat(slot, save, restore, forget)


def _latest_of(prompt: Prompt, states: Iterable[tuple[int, Prompt]]) -> tuple[tuple[bool, int], int] | None:
    """Which of the states, given with what was read, the prompt continues most of, after how much that is."""
    continued = [(much, number) for number, read in states if (much := _continued(read, prompt)) is not None]
    return max(continued, key=lambda state: state[0], default=None)


def _continued(read: Prompt, prompt: Prompt) -> tuple[bool, int] | None:
    """What of `read` the prompt continues: whether the instructions, and how many messages; None if it does not.

    A prompt may have dropped old turns, and the last words of the user may have changed since.
    """
    said, now = _spoken(read)[:-1], _spoken(prompt)
    same_instructions = read[: len(read) - len(_spoken(read))] == prompt[: len(prompt) - len(now)]
    for start in range(len(said)):
        if said[start:] == now[: len(said) - start]:
            return same_instructions, len(said) - start
    return (True, 0) if same_instructions and not said else None


def _spoken(prompt: Prompt) -> Prompt:
    return tuple(message for message in prompt if message.role != "system")
