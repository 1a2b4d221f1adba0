"""A simulated user who plays a script, frame by frame. Pure: time is that of the microphone."""

from collections import deque
from dataclasses import dataclass, replace
from typing import Any, Protocol

from streamsrv.engines.vad.base import FRAME_MS

SPEECH = 0.97
"""Speech probability that the voice-activity detector gives within a word."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound of `duration_ms`, rounded to whole frames, at least one.

    `probability` is the speech probability of its frames; `text` is the word that a recogniser hears at its end.
    """

    duration_ms: int
    probability: float = SPEECH
    text: str = ""


def words(text: str, word_ms: int = 256) -> tuple[Sound, ...]:
    """Return the words of `text` as sounds, without pauses between them."""
    return tuple(Sound(word_ms, text=word) for word in text.split())


def pause(duration_ms: int) -> Sound:
    return Sound(duration_ms, probability=0.02)


def hesitation(duration_ms: int = 320) -> Sound:
    """Return an "uh", which recognisers leave out."""
    return Sound(duration_ms)


def cough() -> Sound:
    """Return a cough: it is detected as speech but has no word."""
    return Sound(192, probability=0.8)


def click() -> Sound:
    """Return a click: one frame that is detected as speech."""
    return Sound(FRAME_MS, probability=0.9)


def noise(duration_ms: int, probability: float = 0.6) -> Sound:
    """Return noise that is detected as speech, such as a fan or traffic."""
    return Sound(duration_ms, probability)


@dataclass(frozen=True, slots=True)
class After:
    """Cue: this long after the end of the previous act, or after the start."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class AfterReply:
    """Cue: this long after the end of the reply to the previous act."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class AtReplyWord:
    """Cue: after this many words of the reply to the previous act."""

    word: int


Cue = After | AfterReply | AtReplyWord


@dataclass(frozen=True, slots=True)
class Say:
    """Make these sounds, one after the other."""

    sounds: tuple[Sound, ...]


@dataclass(frozen=True, slots=True)
class Mute:
    """The microphone sends no packets for this long."""

    duration_ms: int


@dataclass(frozen=True, slots=True)
class Send:
    """The application sends a client event, given as the JSON object of the wire."""

    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Press:
    """Press keys of the telephone."""

    keys: str


@dataclass(frozen=True, slots=True)
class LineDrops:
    """The telephone line drops: the server hears nothing more, and what it plays is not heard."""


@dataclass(frozen=True, slots=True)
class Act:
    """One line of a script. `patience_ms`: how long the user waits in silence for a reply."""

    when: Cue
    what: Say | Mute | Send | Press | LineDrops
    patience_ms: int = 8_000


def say(text: str, when: Cue | None = None, *, word_ms: int = 256) -> Act:
    """Return an act that says words without a pause, at once or at the cue."""
    return Act(when or After(0), Say(words(text, word_ms)))


def backchannel(text: str = "mhm", when: Cue | None = None) -> Act:
    """Return an act that says a backchannel during the reply."""
    return Act(when or AtReplyWord(3), Say(words(text, 288)))


class Replies(Protocol):
    """What a user hears of the replies."""

    @property
    def audible(self) -> bool:
        """Whether a reply is playing."""
        ...

    def heard_words(self) -> int:
        """Return how many words of all replies were played so far."""
        ...

    def replied_since(self, at_ms: int) -> bool:
        """Return whether a reply came after `at_ms` and has ended."""
        ...


SPEECH_DB = -26.0
"""Level of the user's speech at the microphone."""
ECHO_DB = -40.0
"""Level of the echo of a reply at the microphone."""


@dataclass(frozen=True, slots=True)
class MicrophoneFrame:
    """One frame at the microphone. `text` is the word that ends with this frame, `word_ms` the word's duration."""

    probability: float
    text: str = ""
    word_ms: int = 0
    level_db: float = SPEECH_DB
    is_said: bool = False
    """Whether the user makes a sound in it that counts as speech; an echo does not make it so."""


QUIET = MicrophoneFrame(0.01)


class SimulatedUser:
    """Plays a script, one frame at a time."""

    def __init__(self, script: tuple[Act, ...], replies: Replies) -> None:
        self._acts = deque(script)
        self._replies = replies
        self._frames: deque[MicrophoneFrame] = deque()
        self._muted_until_ms = 0
        self._act_ended_ms = 0
        self._heard_at_end = 0
        self._reply_ended_ms: int | None = None
        self.events: list[dict[str, Any]] = []
        """Client events that the application sends next; the simulator removes each when it sends it."""
        self.keys = ""
        """Keys that are pressed next; the simulator removes each when it tells the server."""
        self.is_gone = False
        """Whether the telephone line has dropped."""
        self.said: list[str] = []
        """Words said so far."""

    @property
    def finished(self) -> bool:
        return not self._acts and not self._frames

    @property
    def in_act(self) -> bool:
        """Whether an act still has sounds to play."""
        return bool(self._frames)

    def leave(self) -> None:
        """Do and say nothing more, because the telephone line has dropped."""
        self.is_gone = True
        self._acts.clear()
        self._frames.clear()

    def next_frame(self, until_ms: int) -> MicrophoneFrame | None:
        """Return the frame that ends at `until_ms`; None while the microphone is muted."""
        if not self._frames and until_ms > self._muted_until_ms:
            self._start_due_acts(until_ms)
        if self.is_gone or until_ms <= self._muted_until_ms:
            return None
        if not self._frames:
            return QUIET
        frame = self._frames.popleft()
        if frame.text:
            self.said.append(frame.text)
        if not self._frames:
            self._end_act(until_ms)
        return frame

    def _start_due_acts(self, now_ms: int) -> None:
        while not self._frames and self._acts and self._is_due(self._acts[0], now_ms):
            act = self._acts.popleft()
            self._end_act(now_ms)
            match act.what:
                case Say():
                    for sound in act.what.sounds:
                        self._frames += _frames(sound)
                case Mute():
                    self._muted_until_ms = now_ms - FRAME_MS + act.what.duration_ms
                    self._act_ended_ms = self._muted_until_ms
                    return
                case Send():
                    self.events.append(act.what.event)
                case Press():
                    self.keys += act.what.keys
                case LineDrops():
                    self.leave()

    def _end_act(self, now_ms: int) -> None:
        self._act_ended_ms = now_ms
        self._heard_at_end = self._replies.heard_words()
        self._reply_ended_ms = None

    def _is_due(self, act: Act, now_ms: int) -> bool:
        waited_ms = now_ms - self._act_ended_ms
        gives_up = waited_ms >= act.patience_ms and not self._replies.audible
        match act.when:
            case After():
                return waited_ms >= act.when.delay_ms
            case AtReplyWord():
                heard = self._replies.heard_words() - self._heard_at_end
                return heard >= act.when.word or gives_up or self._reply_is_over(now_ms)
            case AfterReply():
                if self._reply_is_over(now_ms):
                    return now_ms - (self._reply_ended_ms or 0) >= act.when.delay_ms
                return gives_up

    def _reply_is_over(self, now_ms: int) -> bool:
        if not self._replies.replied_since(self._act_ended_ms):
            self._reply_ended_ms = None
        elif self._reply_ended_ms is None:
            self._reply_ended_ms = now_ms
        return self._reply_ended_ms is not None


def _frames(sound: Sound) -> list[MicrophoneFrame]:
    count = max(1, round(sound.duration_ms / FRAME_MS))
    frames = [MicrophoneFrame(sound.probability, is_said=sound.probability >= 0.5)] * count
    if sound.text:
        frames[-1] = replace(frames[-1], text=sound.text, word_ms=count * FRAME_MS)
    return frames
