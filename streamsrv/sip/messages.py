"""The messages between the server's process and the SIP process.

`call` is a number that the SIP process gives each call. Audio is mono int16 in the machine's byte order.
"""

from msgspec import Struct

from streamsrv.processes.framing import Framing


class SipMessage(Struct, array_like=True, tag=True):
    """Base of the messages about one call."""

    call: int


class Registrar(Struct, array_like=True):
    """Where the SIP process registers, and as whom."""

    uri: str
    user: str
    auth_user: str
    password: str
    expires_s: int


class Listen(Struct, array_like=True, tag=True):
    """The first message to the SIP process: where it listens, and for whom.

    `peers`: networks whose calls are taken. `certificate`: a PEM file with certificate and key, for TLS. `ca_file`: a
    PEM file with the authorities that the registrar's certificate is checked against. `srtp`: `off`, `optional` or
    `required`. `codecs`: in the order of preference. `ports`: the first and the last UDP port of RTP.
    """

    address: str
    port: int
    transports: list[str]
    peers: list[str]
    codecs: list[str]
    ports: tuple[int, int]
    max_calls: int
    srtp: str = "off"
    certificate: str = ""
    ca_file: str = ""
    registrar: Registrar | None = None


class Listening(Struct, array_like=True, tag=True):
    """The SIP process takes calls."""


class Registered(Struct, array_like=True, tag=True):
    """The outcome of a registration; `problem`: why it failed, empty if it did not."""

    problem: str


class Incoming(SipMessage):
    """A call rings. `caller` and `called` are SIP addresses; `headers` are those of the INVITE.

    `sample_rate`: that of the call's audio in both directions, in Hz.
    """

    call_id: str
    caller: str
    called: str
    sample_rate: int
    headers: dict[str, str]


class Answer(SipMessage):
    """Answer the call."""


class Heard(SipMessage):
    """Audio of the caller."""

    pcm: bytes


class Play(SipMessage):
    """Audio for the caller, played after what was sent before."""

    pcm: bytes


class Mark(SipMessage):
    """Ask for `Passed` when what was sent so far was played."""

    name: str


class Passed(SipMessage):
    name: str


class Clear(SipMessage):
    """Drop what was not played; all marks pass at once."""


class Digit(SipMessage):
    digit: str


class Held(SipMessage):
    """The peer holds the call, or, `held=False`, has resumed it."""

    held: bool


class Transfer(SipMessage):
    """Give the call to another telephone (REFER). The reply is `Transferred`, and after a failure the call goes on."""

    destination: str


class Transferred(SipMessage):
    """The outcome of `Transfer`; `problem`: why it failed, empty if it did not."""

    problem: str


class HangUp(SipMessage):
    """End the call, or reject it while it rings (486)."""


class Ended(SipMessage):
    """The last message of a call."""

    reason: str


AnyMessage = Listen | Listening | Registered | SipMessage
FRAMING: Framing[AnyMessage] = Framing(
    Listen
    | Listening
    | Registered
    | Incoming
    | Answer
    | Heard
    | Play
    | Mark
    | Passed
    | Clear
    | Digit
    | Held
    | Transfer
    | Transferred
    | HangUp
    | Ended
)
