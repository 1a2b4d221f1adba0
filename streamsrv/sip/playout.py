"""What a caller is to hear, of which a little is given to the stack ahead of time. Pure."""

from collections import deque

MAX_QUEUED_S = 120
"""Seconds of audio that may wait; what is beyond them is dropped."""


class Playout:
    """Queued audio in bytes, and the marks in it.

    The stack takes audio into a buffer, and says how much is still in there. What has left the buffer counts as played.
    """

    def __init__(self) -> None:
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._accepted = 0
        self._marks: deque[tuple[int, str]] = deque()
        self._flushes = False

    def play(self, pcm: bytes, sample_rate: int) -> bool:
        """Queue audio; return whether there was room."""
        if self._queued + len(pcm) > MAX_QUEUED_S * sample_rate * 2:
            return False
        self._queue.append(pcm)
        self._queued += len(pcm)
        return True

    def mark(self, name: str) -> None:
        """Add a mark behind what is queued."""
        self._marks.append((self._accepted + self._queued, name))

    def clear(self) -> list[str]:
        """Drop all audio; return the marks. The stack must be told to flush, and gets nothing until it has."""
        names = [name for _, name in self._marks]
        self._marks.clear()
        self._queue.clear()
        self._queued = self._accepted = 0
        self._flushes = True
        return names

    def passed(self, buffered: int) -> list[str]:
        """Return the marks that were passed, given how many bytes are in the stack's buffer."""
        names: list[str] = []
        while self._marks and self._marks[0][0] <= self._accepted - buffered:
            names.append(self._marks.popleft()[1])
        return names

    def next(self, buffered: int, ahead: int) -> bytes:
        """Return what the stack is to get next, so that `ahead` bytes are in its buffer; call `accept` after that."""
        if self._flushes and buffered:
            return b""
        self._flushes = False
        room, taken = ahead - buffered, bytearray()
        for piece in self._queue:
            if len(taken) >= room:
                break
            taken += piece[: room - len(taken)]
        return bytes(taken)

    def accept(self, count: int) -> None:
        """The stack has taken that many of the bytes from `next`."""
        self._accepted += count
        self._queued -= count
        while count:
            piece = self._queue.popleft()
            if len(piece) > count:
                self._queue.appendleft(piece[count:])
                return
            count -= len(piece)
