"""What the server's process and its media processes tell each other about calls.

`call` is a number that the server gives each call. Audio is mono int16 in the machine's byte order.
"""

from msgspec import Struct

from streamsrv.processes.framing import Framing


class Message(Struct, array_like=True, tag=True):
    """Of one call."""

    call: int


class IceServer(Struct, array_like=True):
    url: str
    username: str | None = None
    password: str | None = None


class Configure(Struct, array_like=True, tag=True):
    """To the media process, first of all.

    `hosts`: addresses to offer as ICE candidates; none: those of all interfaces, and of loopback if `offer_loopback`.
    """

    hosts: list[str]
    ice_servers: list[IceServer]
    offer_loopback: bool = False


class Offer(Message):
    """To the media process: answer this SDP. Comes back as `Answer` or `Refused`."""

    sdp: str


class Answer(Message):
    """`max_event_bytes`: what the client takes in one message of its data channel; 0: any length.

    `hears`: whether the client takes audio. `has_microphone`: whether it sends audio.
    """

    sdp: str
    max_event_bytes: int
    hears: bool
    has_microphone: bool


class Refused(Message):
    """The offer cannot be answered: an error for the client."""

    code: str
    text: str


class Opened(Message):
    """The client is connected and can be sent events."""


class Event(Message):
    """An event of the protocol as JSON, either way."""

    text: str


class Microphone(Message):
    """Audio of the client, at `SPEECH_RATE_HZ`."""

    pcm: bytes


class Speech(Message):
    """To be played: audio of an item."""

    item_id: str
    sample_rate: int
    pcm: bytes


class SpeechFinished(Message):
    """All audio of an item was given."""

    item_id: str


class Hold(Message): ...


class Resume(Message): ...


class Clear(Message): ...


class PlayedUntil(Message):
    item_id: str
    audio_ms: int
    ended: bool


class HangUp(Message): ...


class Ended(Message):
    """The last message of a call."""

    reason: str


FRAMING: Framing[Configure | Message] = Framing(
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
