"""The interfaces between a transport and a session: a channel for events, a speaker if the server holds playback."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class ChannelClosed(Exception):
    """The client is gone."""


class Channel(Protocol):
    """The connection to a client."""

    @property
    def has_microphone(self) -> bool:
        """Whether the client's audio comes apart from events. If it does, audio in events is refused."""
        ...

    async def receive(self) -> str | bytes | NDArray[np.int16]:
        """Wait for the next protocol frame, or for microphone audio (mono, 16 kHz) that comes apart from events.

        Raises `ChannelClosed`.
        """
        ...

    async def send(self, frame: bytes) -> None:
        """Send one event as JSON; waits while the client does not read; raises `ChannelClosed`."""
        ...


class Speaker(Protocol):
    """Plays a session's speech in order and in real time, when the transport (not the client) holds playback.

    No method waits. The speaker reports progress as `PlaybackReported` (when the first sample of an item is played, and
    at short intervals after that), and once for each item as `PlaybackEnded`: when all of the item was played, or after
    `clear`, with the position where the item was cut off.
    """

    def play(self, item_id: str, pcm: NDArray[np.int16], sample_rate: int) -> None:
        """Queue audio of an item, mono at `sample_rate` Hz."""
        ...

    def finish(self, item_id: str) -> None:
        """Mark the item's audio as complete."""
        ...

    def hold(self) -> None:
        """Pause playback at once and keep its position."""
        ...

    def resume(self) -> None:
        """Continue from the sample at which `hold` stopped."""
        ...

    def clear(self) -> None:
        """Drop all audio that was not played, of all items, and end a hold."""
        ...


class CallControl(Protocol):
    """What a session can want of the telephone call that it runs in. No method waits."""

    def hang_up(self, reason: str) -> None:
        """End the call for the caller, too."""
        ...

    def transfer(self, destination: str) -> None:
        """Give the call to another telephone. The call ends, or the session gets `TransferFailed`."""
        ...

    def sound_waiting(self, on: bool) -> None:
        """Play a quiet sound while nothing else is played, until it is turned off."""
        ...
