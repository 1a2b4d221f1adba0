"""Computes which part of each item a simulated client has played, in ms and in words. Pure."""

from bisect import bisect_right
from dataclasses import dataclass, field

FOREVER_MS = 10**9
"""Delay of the remaining audio while playback is held."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut of the playback of an item after `played_ms`."""

    played_ms: int
    known_ms: int | None
    """Time from which on the server could know of the cut; None: it never could."""
    truncated_ms: int | None
    """Time at which the server learned how much was played; None: it did not."""


@dataclass(slots=True)
class PlayedItem:
    """The audio of one item that the client received."""

    received_ms: int = 0
    word_ends: list[int] = field(default_factory=list[int])
    """End of each word, in ms of the item's audio."""
    runs: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Pieces of uninterrupted playback, each as `(start_ms, duration_ms)`."""
    cut: bool = False
    """Whether the client dropped the rest of the item."""

    def played_ms(self, now_ms: int) -> int:
        return sum(min(max(now_ms - start_ms, 0), duration_ms) for start_ms, duration_ms in self.runs)

    def words_until(self, audio_ms: int) -> int:
        """Return how many words end by `audio_ms`."""
        return bisect_right(self.word_ends, audio_ms)


class Player:
    """Plays audio in real time in the order of arrival. After each underrun, playback starts `buffer_ms` late."""

    def __init__(self, buffer_ms: int) -> None:
        self._buffer_ms = buffer_ms
        self.items: dict[str, PlayedItem] = {}
        self.busy_until_ms = 0
        self._held_since_ms: int | None = None

    def play(self, item_id: str, duration_ms: int, word_ends: list[int], now_ms: int) -> None:
        """Queue audio of an item, in which words end after `word_ends` ms. The audio of a cut item is not played."""
        item = self.items.setdefault(item_id, PlayedItem())
        item.word_ends += [item.received_ms + end_ms for end_ms in word_ends]
        item.received_ms += duration_ms
        if item.cut or not duration_ms:
            return
        idle_until_ms = now_ms if self._held_since_ms is None else self._held_since_ms + FOREVER_MS
        start_ms = self.busy_until_ms if self.busy_until_ms > idle_until_ms else idle_until_ms + self._buffer_ms
        self.busy_until_ms = start_ms + duration_ms
        if item.runs and sum(item.runs[-1]) == start_ms:
            item.runs[-1] = (item.runs[-1][0], item.runs[-1][1] + duration_ms)
        else:
            item.runs.append((start_ms, duration_ms))

    def sounds(self, now_ms: int) -> bool:
        """Return whether audio is played now, and not held."""
        return self.busy_until_ms > now_ms and self._held_since_ms is None

    def hold(self, now_ms: int) -> None:
        """Pause playback."""
        self._held_since_ms = now_ms
        self._shift(now_ms, FOREVER_MS)

    def resume(self, now_ms: int) -> None:
        """Continue paused playback where it stopped."""
        if self._held_since_ms is not None:
            self._shift(self._held_since_ms + FOREVER_MS, now_ms - self._held_since_ms - FOREVER_MS)
            self._held_since_ms = None

    def _shift(self, from_ms: int, by_ms: int) -> None:
        """Delay the audio that would be played from `from_ms` on by `by_ms`."""
        if self.busy_until_ms > from_ms:
            self.busy_until_ms += by_ms
        for item in self.items.values():
            shifted: list[tuple[int, int]] = []
            for start_ms, duration_ms in item.runs:
                before_ms = min(max(from_ms - start_ms, 0), duration_ms)
                shifted += [(start_ms, before_ms)] if before_ms else []
                shifted += [(start_ms + before_ms + by_ms, duration_ms - before_ms)] if before_ms < duration_ms else []
            item.runs = shifted

    def flush(self, now_ms: int) -> list[str]:
        """Drop the audio that was not played yet; return the items that lost audio, in the order of playback."""
        lost: list[str] = []
        for item_id, item in self.items.items():
            if item.cut or item.played_ms(now_ms) == item.received_ms:
                continue
            item.runs = [(start, min(now_ms - start, length)) for start, length in item.runs if start < now_ms]
            item.cut = True
            lost.append(item_id)
        self.busy_until_ms = min(self.busy_until_ms, now_ms)
        return lost

    def heard_words(self, now_ms: int) -> int:
        """Return how many words of all items were played to their end."""
        return sum(item.words_until(item.played_ms(now_ms)) for item in self.items.values())
