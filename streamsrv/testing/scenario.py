"""What a simulated conversation is made of: people, devices, network, engines and what goes wrong. Data only."""

from dataclasses import dataclass, field
from typing import Literal

from streamsrv.protocol.session_object import Session
from streamsrv.testing.faults import Fault
from streamsrv.testing.speakers import Act

OnInterruption = Literal["truncate", "truncate_current", "flush", "play_on"]
"""What a client does when the user speaks up while it plays.

`truncate`: it falls silent and tells the server, for every item that lost audio, how much was played;
`truncate_current`: the same, but only for the item that was audible, as stock clients do;
`flush`: it falls silent and says nothing; `play_on`: it plays everything to the end.
"""


@dataclass(frozen=True, slots=True)
class MicrophoneTraits:
    packet_frames: int = 1
    """Frames (32 ms) in one append."""
    echo: float = 0.0
    """Probability of speech that the detector finds in the reply's echo; 0: none comes back."""
    echo_is_understood: bool = False
    """Whether the recogniser hears the words of the echo too."""


@dataclass(frozen=True, slots=True)
class NetworkTraits:
    """A connection that keeps the order, both ways."""

    delay_ms: int = 0
    jitter_ms: int = 0
    """A message takes up to this much longer, evenly spread."""
    loss: float = 0.0
    """Share of audio packets from the microphone that never arrive: gaps, in which the session's audio stands still."""


@dataclass(frozen=True, slots=True)
class ClientTraits:
    on_interruption: OnInterruption = "truncate"
    buffer_ms: int = 0
    """How much later than possible playback starts."""
    reports_ms: int | None = None
    """Report the playback position this often; None: never."""
    holds_playback: bool = False
    """Whether the client asked for `playback.hold`: it holds, resumes and clears as told, and reports playback."""
    held_by_transport: bool = False
    """Whether the transport plays the answers, and not the client."""
    tool_ms: int = 200
    """How long the application takes to answer function calls."""


@dataclass(frozen=True, slots=True)
class RecognizerTraits:
    partial_ms: int = 400
    """A partial transcript this often, while there is something new; and one more at the beginning of each pause."""
    delay_ms: int = 80
    """From the audio to the partial transcript of it."""
    final_ms: int = 120
    """From the end of the audio to the final transcript."""
    tentative_words: int = 1
    """Words at the end of a partial transcript that may be taken back."""
    mishears: bool = False
    """Whether the last tentative word is always another one than was said."""
    clip_text: str = "a clip"
    """What is heard in audio that comes whole with an item."""
    faults: tuple[Fault, ...] = ()
    """By recognition, in the order of their start. The final transcript is a result like the partial ones."""


@dataclass(frozen=True, slots=True)
class ChatTraits:
    answers: tuple[str | tuple[str, str], ...] = ()
    """Text, or a tool call `(name, arguments)`: the nth answers a context with n messages of user and tools.

    Where there is none, text is made up. Text to be spoken should be plain words: each is one word of the audio.
    """
    first_ms: int = 150
    token_ms: int = 20
    """From one delta (a word) to the next."""
    answer_words: int = 24
    """Most words in an answer that is made up."""
    mark_words: int = 5
    """Words from one punctuation mark to the next in such an answer."""
    faults: tuple[Fault, ...] = ()
    """By request."""


@dataclass(frozen=True, slots=True)
class SynthesizerTraits:
    first_ms: int = 40
    """From the text to the first piece of its audio."""
    real_time_factor: float = 0.1
    """Time to compute each later piece, as a share of the time to play it."""
    piece_ms: int = 400
    """Audio in one piece; the last one of a segment is shorter."""
    character_ms: int = 60
    """Pace of the voice at speed 1; a word has a pause of one character after it."""
    times_words: bool = True
    """Whether it tells when each word is spoken."""
    faults: tuple[Fault, ...] = ()
    """By segment. Its end is a result like the pieces of its audio."""


@dataclass(frozen=True, slots=True)
class TurnModelTraits:
    """An end-of-turn model, which hears whether the speaker is done."""

    delay_ms: int = 90
    certainty: float = 0.95
    """Probability that it gives to the truth."""
    errors: float = 0.0
    """Share of pauses at which it takes the opposite for the truth."""


def simulated_session() -> Session:
    return Session(id="sess_1", expires_at=0, model="simulated")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One conversation. The same scenario gives the same conversation, to the ms."""

    script: tuple[Act, ...]
    session: Session = field(default_factory=simulated_session)
    microphone: MicrophoneTraits = MicrophoneTraits()
    network: NetworkTraits = NetworkTraits()
    client: ClientTraits = ClientTraits()
    recognizer: RecognizerTraits = RecognizerTraits()
    chat: ChatTraits = ChatTraits()
    synthesizer: SynthesizerTraits = SynthesizerTraits()
    turn_model: TurnModelTraits | None = None
    straggling_ms: int = 0
    """How long results still come from a recognition that was dropped or a generation that was stopped."""
    seed: int = 0
    """For jitter, loss and the words of answers."""
