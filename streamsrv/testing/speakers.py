"""Scripted people: what they do, when, and how it sounds frame by frame. Pure: time is that of their microphone."""

from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

from streamsrv.engines.vad.base import FRAME_MS

SPEECH = 0.97
"""Probability of speech that a detector gives in the middle of a word."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Something in the air for `duration_ms` (in whole frames of 32 ms, at least one).

    `probability` is what a voice-activity detector makes of it; `text` what a recogniser does, at its end.
    """

    duration_ms: int
    probability: float = SPEECH
    text: str = ""


def words(text: str, word_ms: int = 256) -> tuple[Sound, ...]:
    """Words said one after the other, without pauses."""
    return tuple(Sound(word_ms, text=word) for word in text.split())


def pause(duration_ms: int) -> Sound:
    return Sound(duration_ms, probability=0.02)


def hesitation(duration_ms: int = 320) -> Sound:
    """An "uh" that recognisers leave out."""
    return Sound(duration_ms)


def cough() -> Sound:
    """Voiced enough to pass for speech, and no word."""
    return Sound(192, probability=0.8)


def click() -> Sound:
    """One frame that looks like speech."""
    return Sound(FRAME_MS, probability=0.9)


def noise(duration_ms: int, probability: float = 0.6) -> Sound:
    """A fan, traffic, a stuck microphone: speech as far as the detector can tell."""
    return Sound(duration_ms, probability)


@dataclass(frozen=True, slots=True)
class After:
    """When this long has passed since the end of the previous act (or the start)."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class AfterReply:
    """When an answer to the previous act was heard to its end, and this long has passed since."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class AtReplyWord:
    """When this many words of the answer to the previous act were heard."""

    word: int


Cue = After | AfterReply | AtReplyWord


@dataclass(frozen=True, slots=True)
class Say:
    """Make these sounds, one after the other."""

    sounds: tuple[Sound, ...]


@dataclass(frozen=True, slots=True)
class Mute:
    """The microphone delivers nothing at all for this long."""

    duration_ms: int


@dataclass(frozen=True, slots=True)
class Send:
    """The application sends a client event (the JSON object of the wire)."""

    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Act:
    """One line of a script. `patience_ms`: how long to wait in silence for a reply before going on without it."""

    when: Cue
    what: Say | Mute | Send
    patience_ms: int = 8_000


def say(text: str, when: Cue | None = None, *, word_ms: int = 256) -> Act:
    """Say words without a pause: at once, or at the cue."""
    return Act(when or After(0), Say(words(text, word_ms)))


def backchannel(text: str = "mhm", when: Cue | None = None) -> Act:
    """Show that one is listening, while the reply goes on."""
    return Act(when or AtReplyWord(3), Say(words(text, 288)))


class Replies(Protocol):
    """What a speaker notices of the other side."""

    @property
    def audible(self) -> bool:
        """Whether a reply is playing."""
        ...

    def heard_words(self) -> int:
        """Words of all replies that were audible by now."""
        ...

    def replied_since(self, at_ms: int) -> bool:
        """Whether a reply was given after `at_ms` and is over."""
        ...


SPEECH_DB, ECHO_DB = -26.0, -40.0
"""Levels at the microphone: of the person before it, and of an echo."""


@dataclass(frozen=True, slots=True)
class AirFrame:
    """32 ms in front of the microphone. A word is in the frame it ends with; `word_ms` is how long it was."""

    probability: float
    text: str = ""
    word_ms: int = 0
    level_db: float = SPEECH_DB


QUIET = AirFrame(0.01)


class Speaker:
    """Plays a script, one frame at a time."""

    def __init__(self, script: tuple[Act, ...], replies: Replies) -> None:
        self._acts = deque(script)
        self._replies = replies
        self._frames: deque[AirFrame] = deque()
        self._muted_until_ms = 0
        self._act_ended_ms = 0
        self._heard_at_end = 0
        self._reply_ended_ms: int | None = None
        self.events: list[dict[str, Any]] = []
        """Client events that the application is to send now; whoever sends them takes them out."""
        self.said: list[str] = []
        """Words said so far."""

    @property
    def finished(self) -> bool:
        return not self._acts and not self._frames

    @property
    def in_act(self) -> bool:
        """Whether the sounds of an act are still coming."""
        return bool(self._frames)

    def next_frame(self, until_ms: int) -> AirFrame | None:
        """The frame that ends at `until_ms`; None while the microphone is mute."""
        if not self._frames and until_ms > self._muted_until_ms:
            self._go_on(until_ms)
        if until_ms <= self._muted_until_ms:
            return None
        if not self._frames:
            return QUIET
        frame = self._frames.popleft()
        if frame.text:
            self.said.append(frame.text)
        if not self._frames:
            self._end_act(until_ms)
        return frame

    def _go_on(self, now_ms: int) -> None:
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


def _frames(sound: Sound) -> list[AirFrame]:
    count = max(1, round(sound.duration_ms / FRAME_MS))
    frames = [AirFrame(sound.probability)] * count
    if sound.text:
        frames[-1] = AirFrame(sound.probability, sound.text, count * FRAME_MS)
    return frames
