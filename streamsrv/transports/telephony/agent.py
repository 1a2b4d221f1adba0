"""Who answers a telephone number. Pure."""

from dataclasses import dataclass, field
from typing import Any

from streamsrv.core.call_rules import CallRules


@dataclass(frozen=True, slots=True)
class Agent:
    """What a call to a number gets: a session and the rules of the call."""

    name: str
    """Names the agent in logs and metrics."""
    session: dict[str, Any] = field(default_factory=dict[str, Any])
    """Fields of the protocol's session object, besides the audio formats, which are those of the line."""
    rules: CallRules = CallRules()  # noqa: RUF009 (it cannot be changed)
    max_minutes: float = 0
    """The longest duration of a call; 0: that of every session."""
    asks_application: bool = False
    """Whether an application is asked (`realtime.call.incoming`) to accept, reject or refer the call."""
    records: bool = False
    """Whether the call is recorded; the operator has seen to the consent."""
