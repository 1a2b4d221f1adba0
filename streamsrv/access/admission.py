"""Limits how many sessions and requests run at once, in total and per API key. Uses no clock and never waits."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from streamsrv.access.principal import Principal
from streamsrv.access.refusal import Refusal
from streamsrv.inference.load import Load

FULL_RETRY_S = 5
"""Retry-After, in seconds, of a session refused because all places are taken. A guess: when one is free is unknown."""
REQUEST_RETRY_S = 2
"""Retry-After, in seconds, of a refused REST request, which takes less time than a session."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many sessions and requests may run at once; a principal has limits of its own."""

    max_sessions: int
    max_requests: int


class Place:
    """One taken place of a server. Only the first `leave` gives it back."""

    def __init__(self, counted: "_Counted", key_id: str, left: "Callable[[Place], None]") -> None:
        self._counted = counted
        self._left = left
        self._key_id = key_id
        self._is_held = True
        counted.add(key_id, 1)

    def leave(self) -> None:
        if self._is_held:
            self._is_held = False
            self._counted.add(self._key_id, -1)
            self._left(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.leave()


class Admission:
    """Hands out the places of a server. With a `load`, a busy server refuses sessions, too."""

    def __init__(self, limits: Limits, load: Load | None) -> None:
        self._limits = limits
        self._load = load
        self._sessions = _Counted()
        self._requests = _Counted()
        self._held: set[Place] = set()
        self._waiting: list[tuple[set[Place], Callable[[], None]]] = []

    def limit(self, limits: Limits, load: Load | None) -> None:
        """Change the limits. Places that are taken stay taken, also if there are now too many."""
        self._limits = limits
        self._load = load

    def when_left(self, then: Callable[[], None]) -> None:
        """Call `then` once every place that is taken now has been given back; at once if none is taken."""
        if self._held:
            self._waiting.append((set(self._held), then))
        else:
            then()

    @property
    def sessions(self) -> int:
        """The number of sessions that run or are about to begin."""
        return self._sessions.total

    @property
    def sessions_begun(self) -> int:
        """The number of session places taken since the start of the server."""
        return self._sessions.taken

    @property
    def requests(self) -> int:
        return self._requests.total

    @property
    def has_room(self) -> bool:
        """Whether one more session would fit without slowing the others."""
        return self.sessions < self._limits.max_sessions and (self._load is None or self._load.has_room(self.sessions))

    def is_measuring(self, principal: Principal) -> bool:
        """Whether a session would be refused only because the newest sessions are not measured yet."""
        if self._load is None or self.sessions >= self._limits.max_sessions or self._is_key_full(principal):
            return False
        return not self._load.has_room(self.sessions) and self._load.is_measuring(self.sessions)

    def check_session(self, principal: Principal) -> None:
        """Raise `Refusal` if `principal` cannot have a session; not if a measurement is about to decide that."""
        sessions, limits = self.sessions, self._limits
        if sessions >= limits.max_sessions:
            message = f"All {limits.max_sessions} sessions of this server are in use."
            raise Refusal(503, "session_limit_reached", message, retry_after_s=FULL_RETRY_S)
        if self._is_key_full(principal):
            message = f"All {principal.limits.sessions} sessions of this API key are in use."
            raise Refusal(429, "session_limit_reached", message, retry_after_s=FULL_RETRY_S)
        if self._load is not None and not (self._load.has_room(sessions) or self._load.is_measuring(sessions)):
            raise self._busy(self._load)

    def take_session(self, principal: Principal) -> Place:
        """Take a place for a session; raises `Refusal`."""
        self.check_session(principal)
        if self._load is not None and not self._load.has_room(self.sessions):
            raise self._busy(self._load)
        return self._take(self._sessions, principal)

    def check_request(self, principal: Principal) -> None:
        """Raise `Refusal` if there is no place for a REST request of `principal` now."""
        limits, per_key = self._limits, principal.limits.requests
        if self.requests >= limits.max_requests:
            message = f"All {limits.max_requests} places for requests of this server are taken."
            raise Refusal(503, "request_limit_reached", message, retry_after_s=REQUEST_RETRY_S)
        if per_key is not None and self._requests.of(principal.key_id) >= per_key:
            message = f"All {per_key} places for requests of this API key are taken."
            raise Refusal(429, "request_limit_reached", message, retry_after_s=REQUEST_RETRY_S)

    def take_request(self, principal: Principal) -> Place:
        """Take a place for a REST request that takes time; raises `Refusal`."""
        self.check_request(principal)
        return self._take(self._requests, principal)

    def _take(self, counted: "_Counted", principal: Principal) -> Place:
        place = Place(counted, principal.key_id, self._give_back)
        self._held.add(place)
        return place

    def _give_back(self, place: Place) -> None:
        self._held.discard(place)
        for waiting in list(self._waiting):
            places, then = waiting
            places.discard(place)
            if not places:
                self._waiting.remove(waiting)
                then()

    def _is_key_full(self, principal: Principal) -> bool:
        per_key = principal.limits.sessions
        return per_key is not None and self._sessions.of(principal.key_id) >= per_key

    def _busy(self, load: Load) -> Refusal:
        message = f"This server is busy with {self.sessions} sessions: {load}."
        retry_after_s = math.ceil(load.relief_s(self.sessions))
        return Refusal(503, "session_limit_reached", message, retry_after_s=retry_after_s, by_load=True)


class _Counted:
    """Counts the taken places, in total and per key."""

    def __init__(self) -> None:
        self.total = 0
        self.taken = 0
        self._by_key: Counter[str] = Counter()

    def add(self, key_id: str, places: int) -> None:
        self.total += places
        self.taken += max(0, places)
        self._by_key[key_id] += places

    def of(self, key_id: str) -> int:
        return self._by_key[key_id]
