"""What the server's process and the process with NeMo's toolkit say to each other."""

from msgspec import Struct

from streamsrv.processes.framing import Framing


class Load(Struct, array_like=True, tag=True):
    """Load a model: the first message to the process."""

    path: str
    device: str
    compute_type: str
    right_context: int | None
    streams: int


class Loaded(Struct, array_like=True, tag=True):
    """The model is ready."""

    chunk_samples: int
    """Samples of one step."""
    token_ms: float
    languages: list[str]
    """ISO 639-1 codes that it can be told; empty if it knows one language."""
    device: str


class Hear(Struct, array_like=True, tag=True):
    """Audio for a stream, in whole chunks; the first one begins the stream."""

    stream: int
    pcm: bytes
    language: str = ""


class Heard(Struct, array_like=True, tag=True):
    """A stream has heard another `samples`, and has these new tokens, each with its time in ms."""

    stream: int
    samples: int
    tokens: list[tuple[str, float]]


class Close(Struct, array_like=True, tag=True):
    """A stream has ended: free what it holds."""

    stream: int


class Broken(Struct, array_like=True, tag=True):
    """A stream cannot go on."""

    stream: int
    reason: str


NemoMessage = Load | Loaded | Hear | Heard | Close | Broken
FRAMING = Framing[NemoMessage](NemoMessage)
