"""The scenario of a simulated conversation as data: script, devices, network, engines and their faults."""

from dataclasses import dataclass, field
from typing import Literal

from streamsrv.core.call_rules import CallRules
from streamsrv.protocol.session_object import Session
from streamsrv.testing.faults import Fault
from streamsrv.testing.simulated_user import Act

OnInterruption = Literal["truncate", "truncate_current", "flush", "play_on"]
"""What a client does when the user interrupts playback.

`truncate`: stops, and sends `conversation.item.truncate` for every item that lost audio;
`truncate_current`: stops, and sends it only for the item that was audible, as stock clients do;
`flush`: stops, and sends nothing; `play_on`: plays everything to the end.
"""


@dataclass(frozen=True, slots=True)
class MicrophoneTraits:
    packet_frames: int = 1
    """Frames (32 ms) in one append."""
    echo: float = 0.0
    """Speech probability that the detector gives to the echo of the reply; 0: there is no echo."""
    echo_is_understood: bool = False
    """Whether the recogniser transcribes the words of the echo too."""


@dataclass(frozen=True, slots=True)
class NetworkTraits:
    """A connection that keeps the order of messages in both directions."""

    delay_ms: int = 0
    jitter_ms: int = 0
    """Longest additional delay of a message; uniformly distributed."""
    loss: float = 0.0
    """Share of microphone packets that are lost; the session's audio time does not advance over the gap."""


@dataclass(frozen=True, slots=True)
class ClientTraits:
    on_interruption: OnInterruption = "truncate"
    buffer_ms: int = 0
    """How long the client buffers audio before playback starts."""
    reports_ms: int | None = None
    """Time from one report of the playback position to the next; None: no reports."""
    holds_playback: bool = False
    """Whether the client requests `playback.hold`: it holds, resumes and clears when told, and reports playback."""
    held_by_transport: bool = False
    """Whether the transport plays the answers instead of the client."""
    tool_ms: int = 200
    """Time that the application takes to answer function calls."""


@dataclass(frozen=True, slots=True)
class RecognizerTraits:
    partial_ms: int = 400
    """Time from one partial transcript to the next while there are new words; each pause adds one at its beginning."""
    delay_ms: int = 80
    """Time from the audio to its partial transcript."""
    final_ms: int = 120
    """Time from the end of the audio to the final transcript."""
    deadline_ms: int = 15_000
    """Time from the end of the audio after which the final transcript counts as failed; a clip adds its length."""
    tentative_words: int = 1
    """Words at the end of a partial transcript that are tentative."""
    mishears: bool = False
    """Whether the last tentative word is always wrong."""
    clip_text: str = "a clip"
    """Transcript of every audio clip that comes with an item."""
    faults: tuple[Fault, ...] = ()
    """Faults by recognition, in the order of their start. Partial and final transcripts count as results."""


@dataclass(frozen=True, slots=True)
class ChatTraits:
    answers: tuple[str | tuple[str, str], ...] = ()
    """Answers, each a text or a tool call `(name, arguments)`: the nth answers a context with n user and tool messages.

    Without an entry, the model answers with random text. Spoken text should be plain words: each is one word of audio.
    """
    first_ms: int = 150
    token_ms: int = 20
    """Time from one delta (a word) to the next."""
    answer_words: int = 24
    """Upper bound on the words of a random answer."""
    mark_words: int = 5
    """Words from one punctuation mark to the next in a random answer."""
    faults: tuple[Fault, ...] = ()
    """Faults by request, in order."""
    stand_ins: tuple[tuple[Fault, ...], ...] = ()
    """The faults of each model behind the first one; without any, the first one's failures reach the session."""
    patience_ms: int = 1500
    """Longest wait for a token of a model before the one behind it is asked, too."""


@dataclass(frozen=True, slots=True)
class SynthesizerTraits:
    first_ms: int = 40
    """Time from the text to the first piece of its audio."""
    real_time_factor: float = 0.1
    """Time to compute each later piece, as a share of the time to play it."""
    piece_ms: int = 400
    """Duration of one piece of audio; the last piece of a segment may be shorter."""
    character_ms: int = 60
    """Duration of one character at speed 1; each word is followed by a pause of one character."""
    times_words: bool = True
    """Whether the synthesiser reports when each word is spoken."""
    faults: tuple[Fault, ...] = ()
    """Faults by segment, in order. The pieces of audio and the end of the segment count as results."""


@dataclass(frozen=True, slots=True)
class ToolTraits:
    """The tools that the server runs: every server of the session has all of them."""

    names: tuple[str, ...] = ()
    list_ms: int = 100
    call_ms: int = 800


@dataclass(frozen=True, slots=True)
class CallTraits:
    """The telephone call that the session runs in."""

    rules: CallRules = CallRules()  # noqa: RUF009 (it cannot be changed)
    max_ms: int = 0
    """The longest duration; 0: any."""
    transfer_ms: int | None = 1000
    """Time until a transfer fails; None: it succeeds, and the line drops."""


@dataclass(frozen=True, slots=True)
class TurnModelTraits:
    """An end-of-turn model that knows whether the speaker is done."""

    delay_ms: int = 90
    certainty: float = 0.95
    """Probability that the model gives to the outcome that it predicts."""
    errors: float = 0.0
    """Share of pauses for which the model predicts the wrong outcome."""


def simulated_session() -> Session:
    return Session(id="sess_1", expires_at=0, model="simulated")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One conversation. The same scenario always gives the same conversation, to the ms."""

    script: tuple[Act, ...]
    session: Session = field(default_factory=simulated_session)
    microphone: MicrophoneTraits = MicrophoneTraits()
    network: NetworkTraits = NetworkTraits()
    client: ClientTraits = ClientTraits()
    recognizer: RecognizerTraits = RecognizerTraits()
    chat: ChatTraits = ChatTraits()
    synthesizer: SynthesizerTraits = SynthesizerTraits()
    turn_model: TurnModelTraits | None = None
    tools: ToolTraits = ToolTraits()
    call: CallTraits | None = None
    """None: it is no telephone call."""
    straggling_ms: int = 0
    """How long a dropped recognition or a stopped generation still gives results."""
    seed: int = 0
    """Seed of jitter, loss and the words of answers."""
