"""When a session reaches its maximum duration, and when its client is told in advance. Pure."""

from streamsrv.core.effects import Effect, SetTimer, send_event
from streamsrv.core.timers import SessionExpiring, SessionTimeout
from streamsrv.protocol.session_object import Session

EXPIRING_EVENTS = "session.expiring"
"""Name under which a client asks for `streamsrv.session.expiring`."""
MAX_NOTICE_MS = 60_000
"""How long before the end the client is told; a session shorter than twice this is told at half-time."""


class Lifetime:
    """Limits a session to `max_ms` from its start; 0: no limit."""

    def __init__(self, max_ms: int) -> None:
        self._max_ms = max_ms
        self._notice_ms = min(MAX_NOTICE_MS, max_ms // 2)
        self._ends_ms: int | None = None  # on the driver's clock; None: the notice is not due yet
        self._told = False

    def start(self) -> list[Effect]:
        """Set the timers of the session's end."""
        if not self._max_ms:
            return []
        return [SetTimer(SessionExpiring(), self._max_ms - self._notice_ms), SetTimer(SessionTimeout(), self._max_ms)]

    def expire_soon(self, now_ms: int) -> None:
        """`SessionExpiring` fired."""
        self._ends_ms = now_ms + self._notice_ms

    def announce_end(self, session: Session, now_ms: int) -> list[Effect]:
        """Tell the client, if it asked for that, how many seconds are left: once, in the last minute."""
        if self._ends_ms is None or self._told or not session.wants(EXPIRING_EVENTS):
            return []
        self._told = True
        seconds_left = max(0, self._ends_ms - now_ms) // 1000
        return [send_event("streamsrv.session.expiring", seconds_left=seconds_left, expires_at=session.expires_at)]

    def describe(self) -> str:
        """The maximum duration in words: `60 minutes`, `90 seconds`."""
        seconds = self._max_ms / 1000
        number, unit = (seconds / 60, "minute") if seconds % 60 == 0 else (seconds, "second")
        return f"{number:g} {unit}{'' if number == 1 else 's'}"
