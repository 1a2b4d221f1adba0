"""The messages between the server's process and its media processes.

`call` is a number that the server gives each call. Audio is mono int16 in the machine's byte order.
"""

from msgspec import Struct

from streamsrv.processes.framing import Framing


class CallMessage(Struct, array_like=True, tag=True):
    """Base of the messages about one call."""

    call: int


class IceServer(Struct, array_like=True):
    url: str
    username: str | None = None
    password: str | None = None


class Configure(Struct, array_like=True, tag=True):
    """The first message to the media process.

    `hosts`: addresses to offer as ICE candidates; if empty, those of all interfaces, with loopback if `offer_loopback`.
    `public_addresses`: addresses under which clients reach the same ports through NAT, offered besides `hosts`.
    `ports`: the first and the last UDP port of the range to use; None: any free port.
    """

    hosts: list[str]
    ice_servers: list[IceServer]
    offer_loopback: bool = False
    ports: tuple[int, int] | None = None
    public_addresses: list[str] = []


class Offer(CallMessage):
    """To the media process: an SDP offer. The reply is `Answer` or `Refused`."""

    sdp: str


class Answer(CallMessage):
    """The SDP answer. `max_event_bytes`: longest message that the client accepts on its data channel; 0: any length.

    `receives_audio`: whether the client accepts audio. `has_microphone`: whether it sends audio.
    """

    sdp: str
    max_event_bytes: int
    receives_audio: bool
    has_microphone: bool


class Refused(CallMessage):
    """The offer is refused, with the error for the client. `is_full`: there is no room for it now."""

    code: str
    text: str
    is_full: bool = False


class Opened(CallMessage):
    """The client is connected and can receive events."""


class Event(CallMessage):
    """An event of the protocol as JSON, in either direction."""

    text: str


class Microphone(CallMessage):
    """Audio of the client, at `SPEECH_RATE_HZ`."""

    pcm: bytes


class Speech(CallMessage):
    """Audio of an item to play."""

    item_id: str
    sample_rate: int
    pcm: bytes


class SpeechFinished(CallMessage):
    """The audio of an item is complete."""

    item_id: str


class Hold(CallMessage): ...


class Resume(CallMessage): ...


class Clear(CallMessage): ...


class PlayedUntil(CallMessage):
    item_id: str
    audio_ms: int
    ended: bool


class HangUp(CallMessage): ...


class Ended(CallMessage):
    """The last message of a call."""

    reason: str


FRAMING: Framing[Configure | CallMessage] = Framing(
    Configure
    | Offer
    | Answer
    | Refused
    | Opened
    | Event
    | Microphone
    | Speech
    | SpeechFinished
    | Hold
    | Resume
    | Clear
    | PlayedUntil
    | HangUp
    | Ended
)
