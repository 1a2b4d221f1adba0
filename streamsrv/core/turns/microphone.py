"""Detects a microphone that stopped sending. Pure: the caller passes wall time in ms of the driver's clock."""

MUTED_MS = 2000
"""Time without new audio, after the end of the audio so far, after which a microphone is muted or stuck."""
MUTED_CALL_MS = 1000
"""The same time in a call, whose packets come as they are recorded, and regularly even in silence."""
MAX_LEAD_MS = 5_000
"""Longest audio in pieces that arrive together and still count as live (a single piece may be of any length). Bounds
the wait for a client that sends a recording as fast as it can, without silence after it."""


class Microphone:
    """Tracks how fast audio arrives.

    Clients send pieces of any length once they are recorded. The next piece is due after a time equal to the length of
    the last one.
    """

    def __init__(self, *, is_call: bool) -> None:
        self.muted_ms = MUTED_CALL_MS if is_call else MUTED_MS
        self._received_ms = 0
        self._due_ms = 0  # wall time at which the audio so far ends if it is live

    def receive(self, until_ms: int, now_ms: int) -> None:
        """Record that the session's audio is `until_ms` long by now."""
        duration_ms, self._received_ms = until_ms - self._received_ms, until_ms
        self._due_ms = min(max(self._due_ms, now_ms) + duration_ms, now_ms + max(duration_ms, MAX_LEAD_MS))

    def muted_in_ms(self, now_ms: int) -> int:
        """Return the ms until the microphone counts as muted if no audio arrives; 0: it is muted."""
        return max(0, self._due_ms + self.muted_ms - now_ms)
