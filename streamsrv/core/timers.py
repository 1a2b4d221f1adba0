"""The timers of a session. A timer is named by its key: setting one with the same key replaces it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SessionTimeout:
    """The session reaches its maximum duration."""


@dataclass(frozen=True, slots=True)
class SessionExpiring:
    """The session ends soon: the client is told."""


@dataclass(frozen=True, slots=True)
class IdleTimeout:
    """The user has said nothing for `idle_timeout_ms`."""


@dataclass(frozen=True, slots=True)
class MicrophoneTimeout:
    """No audio has arrived for a while in the middle of a turn."""


@dataclass(frozen=True, slots=True)
class ResponseTimeout:
    """A response has made no progress for a while."""

    generation: int


@dataclass(frozen=True, slots=True)
class SpeechDue:
    """Enough of a response has been played for its next segment to be synthesised."""

    generation: int


@dataclass(frozen=True, slots=True)
class FillerDue:
    """The user has waited in silence for the result of a function."""


@dataclass(frozen=True, slots=True)
class ListingTimeout:
    """Answers do not wait any longer for the tools of a server."""

    listing_id: str


@dataclass(frozen=True, slots=True)
class FollowUpDue:
    """The client has not asked for the answer that follows the results of tools."""


@dataclass(frozen=True, slots=True)
class KeysPause:
    """The caller has pressed no further key for a while."""


@dataclass(frozen=True, slots=True)
class CallerSilent:
    """The caller has said nothing for too long."""


@dataclass(frozen=True, slots=True)
class WaitingSoundDue:
    """The caller has waited in silence, or has heard the waiting sound for too long."""


@dataclass(frozen=True, slots=True)
class LeavingDue:
    """What was said before the call is left should have been played, or a transfer has taken too long."""


@dataclass(frozen=True, slots=True)
class CallEnding:
    """The call soon reaches its longest duration."""


TimerKey = (
    SessionTimeout
    | SessionExpiring
    | IdleTimeout
    | MicrophoneTimeout
    | ResponseTimeout
    | SpeechDue
    | ListingTimeout
    | FollowUpDue
    | FillerDue
    | KeysPause
    | CallerSilent
    | WaitingSoundDue
    | LeavingDue
    | CallEnding
)
