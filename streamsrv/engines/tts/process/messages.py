"""What the server's process and a process with a synthesiser say to each other."""

from typing import Any

from msgspec import Struct

from streamsrv.processes.framing import Framing


class Load(Struct, array_like=True, tag=True):
    """Load a model: the first message to the process."""

    module: str
    """The module in the process whose `open_loop` loads it, see `loop.SpeechLoop`."""
    name: str
    options: dict[str, Any]
    files: dict[str, str]
    """Paths of the weight files, by name."""


class LoadedVoice(Struct, array_like=True):
    """A voice, as `tts.base.Voice`."""

    name: str
    languages: list[str]
    description: str = ""
    gender: str = ""
    marks: list[str] = []


class Loaded(Struct, array_like=True, tag=True):
    """The model is ready and warm."""

    sample_rate: int
    voices: list[LoadedVoice]
    min_speed: float
    max_speed: float
    clones_voices: bool
    streams: int
    """Segments that it speaks at once."""
    device: str


class Speak(Struct, array_like=True, tag=True):
    """Speak a segment."""

    stream: int
    text: str
    voice: str
    language: str
    speed: float
    reference_id: str = ""
    reference: str = ""
    """Path of the recording whose voice to use; empty: `voice` says it."""


class Spoken(Struct, array_like=True, tag=True):
    """Another piece of a segment's audio, mono int16, and the words in it: text, start and end in ms."""

    stream: int
    pcm: bytes
    words: list[tuple[str, int, int]] = []


class Ended(Struct, array_like=True, tag=True):
    """A segment is complete."""

    stream: int


class Broken(Struct, array_like=True, tag=True):
    """A segment cannot go on. `is_rejected`: the request is at fault, and not the model."""

    stream: int
    reason: str
    is_rejected: bool = False


class Cancel(Struct, array_like=True, tag=True):
    """Nobody wants the rest of a segment: free what it holds."""

    stream: int


SpeechMessage = Load | Loaded | Speak | Spoken | Ended | Broken | Cancel
FRAMING = Framing[SpeechMessage](SpeechMessage)
