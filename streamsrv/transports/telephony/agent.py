"""Who answers a telephone number. Pure."""

from dataclasses import dataclass, field
from typing import Any, Literal

from streamsrv.core.call_rules import CallRules


@dataclass(frozen=True, slots=True)
class Application:
    """A program of the operator that is asked, by a webhook, what to do with a call that rings."""

    url: str
    """Where `realtime.call.incoming` is sent."""
    secret_variable: str
    """Name of the environment variable with the secret that signs the webhook."""
    ring_s: float = 20
    """Seconds for which the call rings at most while the application has not answered."""
    otherwise: Literal["answer", "reject"] = "answer"
    """What becomes of the call if the application cannot be reached, or does not answer: the agent answers it by
    itself, or it is rejected."""


@dataclass(frozen=True, slots=True)
class Agent:
    """What a call to a number gets: a session and the rules of the call."""

    name: str
    """Names the agent in logs and metrics."""
    session: dict[str, Any] = field(default_factory=dict[str, Any])
    """Fields of the protocol's session object, besides the audio formats, which are those of the line."""
    rules: CallRules = CallRules()  # noqa: RUF009 (it cannot be changed)
    busy: str = ""
    """Said to callers for whom there is no capacity; empty: they hear the tone of a busy line."""
    max_minutes: float = 0
    """The longest duration of a call; 0: that of every session."""
    application: Application | None = None
    """Is asked (`realtime.call.incoming`) to accept, reject or refer the call; None: the agent answers it at once."""
    records: bool = False
    """Whether the call is recorded; the operator has seen to the consent."""
    voicemail: str | None = ""
    """Said to an answering machine that takes an outbound call; empty: the call ends. None: this agent is the one who
    says it."""
