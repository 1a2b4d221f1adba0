"""Whether a microphone still sends. Pure: wall time comes in as ms of the driver's clock."""

MUTED_MS = 2000
"""A microphone is muted or stuck when no audio has come for this long after the end of what it sent."""
MUTED_CALL_MS = 1000
"""The same in a call: its packets come as they are recorded, and in silence every 400 ms."""
MAX_LEAD_MS = 5_000
"""Pieces that come together are taken for live up to this length, one piece at any length: a client that sends a
recording as fast as it can, and no silence after it, is not waited for longer."""


class Microphone:
    """Tracks how fast audio arrives.

    Clients send pieces of any length when they have recorded them: the next one is due when as much time has passed as
    the last one holds.
    """

    def __init__(self, *, is_call: bool) -> None:
        self.muted_ms = MUTED_CALL_MS if is_call else MUTED_MS
        self._received_ms = 0
        self._due_ms = 0  # on the wall clock: when all audio so far will have been said, were it live

    def receive(self, until_ms: int, now_ms: int) -> None:
        """The session's audio is `until_ms` long by now."""
        duration_ms, self._received_ms = until_ms - self._received_ms, until_ms
        self._due_ms = min(max(self._due_ms, now_ms) + duration_ms, now_ms + max(duration_ms, MAX_LEAD_MS))

    def muted_in_ms(self, now_ms: int) -> int:
        """Ms until it counts as muted if no audio arrives; 0: it is muted."""
        return max(0, self._due_ms + self.muted_ms - now_ms)
