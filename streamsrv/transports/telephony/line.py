"""The interface between what carries a telephone call (a provider's socket, AudioSocket, SIP) and its session. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from streamsrv.protocol.session_object import AudioFormat


class LineClosed(Exception):
    """The line is gone; the text says why, as a sentence."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of a call when it begins. Numbers are as the network gives them, mostly in E.164 (+4930123456)."""

    provider: str
    """`twilio`, `telnyx`, `plivo`, `vonage`, `exotel`, `audiosocket` or `sip`."""
    provider_call_id: str
    """The network's name of the call."""
    caller: str = ""
    called: str = ""
    direction: Literal["inbound", "outbound"] = "inbound"
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    """The provider's custom parameters, or the headers of a SIP INVITE."""
    call_id: str = ""
    """The id (`rtc_...`) under which clients know the call already; empty: it gets one when it begins."""


@dataclass(frozen=True, slots=True)
class LineAudio:
    """Audio of the caller in order, mono int16 at the rate of the line. Lost audio is silence in it."""

    pcm: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class MarkPassed:
    """All audio sent before this mark was played, or was dropped by `clear`."""

    name: str


@dataclass(frozen=True, slots=True)
class DigitHeard:
    """The caller pressed a key: 0-9, *, # or A-D."""

    digit: str


@dataclass(frozen=True, slots=True)
class LineHeld:
    """The caller's side holds the call (nothing is heard until it is resumed), or, `held=False`, has resumed it."""

    held: bool


LineEvent = LineAudio | MarkPassed | DigitHeard | LineHeld


class Line(Protocol):
    """Carries the audio of one call that has begun. Only `receive` waits."""

    @property
    def facts(self) -> CallFacts: ...

    @property
    def format(self) -> AudioFormat:
        """The audio of the network in both directions: `audio/pcmu`, `audio/pcma`, or `audio/pcm` with its rate."""
        ...

    @property
    def sample_rate(self) -> int:
        """Of `LineAudio` and `send`, in Hz."""
        ...

    @property
    def buffers(self) -> bool:
        """Whether the network plays audio that is sent ahead, and tells by marks what it has played.

        If not, audio is sent as it is due, and counts as played when it is sent.
        """
        ...

    async def receive(self) -> LineEvent:
        """Wait for the next event; raises `LineClosed`."""
        ...

    def send(self, pcm: NDArray[np.int16]) -> None:
        """Play audio, mono at the rate of the line, after what was sent before."""
        ...

    def mark(self, name: str) -> None:
        """Ask for `MarkPassed` when what was sent so far has been played."""
        ...

    def clear(self) -> None:
        """Drop what the network has not played yet."""
        ...

    def hang_up(self) -> None:
        """End the call for the caller."""
        ...

    async def transfer(self, destination: str) -> None:
        """Give the call to another telephone; raises `Unavailable` or `Rejected` if that fails and the call goes on."""
        ...


@runtime_checkable
class UnansweredLine(Protocol):
    """What a `Line` also has if its call rings in the network until it is answered. Neither method waits."""

    def answer(self) -> None:
        """Take the call: from now on audio is carried."""
        ...

    def refuse(self, status_code: int) -> None:
        """End a call that was not answered, with a status of SIP from 400 on."""
        ...
