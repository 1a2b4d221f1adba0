"""What a transport gives a session: a channel for events, and where the server holds playback, a speaker."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class ChannelClosed(Exception):
    """The client is gone."""


class Channel(Protocol):
    """The connection to a client."""

    @property
    def has_microphone(self) -> bool:
        """Whether audio of the client comes apart from events; then it is not accepted in events, too."""
        ...

    async def receive(self) -> str | bytes | NDArray[np.int16]:
        """The next frame of the protocol, or microphone audio (mono, 16 kHz) that comes apart from events.

        Raises `ChannelClosed`.
        """
        ...

    async def send(self, frame: bytes) -> None:
        """Send one event as JSON; waits while the client does not read; raises `ChannelClosed`."""
        ...


class Speaker(Protocol):
    """Plays a session's speech in order and at real time, where the transport and not the client holds playback.

    None of these wait. What was played comes back as `PlaybackReported` (at once when the first sample of an item is
    played, then about ten times a second), and once for each item as `PlaybackEnded`: when all of it was played, and
    after `clear` with the place where it was cut off.
    """

    def play(self, item_id: str, pcm: NDArray[np.int16], sample_rate: int) -> None:
        """Queue audio of an item, mono at `sample_rate` Hz."""
        ...

    def finish(self, item_id: str) -> None:
        """All audio of the item was given."""
        ...

    def hold(self) -> None:
        """Fall silent at once and keep the place."""
        ...

    def resume(self) -> None:
        """Go on from the sample at which `hold` stopped."""
        ...

    def clear(self) -> None:
        """Drop everything that was not played, of all items; playback is not held any more."""
        ...
