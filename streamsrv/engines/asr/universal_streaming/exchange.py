"""The utterances of one session on their way through one connection to AssemblyAI, and its loss. Pure.

Utterances are sent one after the other: audio of the next one waits until the final transcript of the one before is
there, so that each turn of the provider belongs to the utterance that is being sent. What comes late is recognised by
its order and by the times of its words.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.universal_streaming.protocol import (
    FORCE_ENDPOINT,
    KEEP_ALIVE,
    KEYTERMS,
    TERMINATE,
    Cause,
    ErrorMessage,
    GarbageError,
    Problem,
    Termination,
    Turn,
    problem_of,
    read_message,
    update_configuration,
)
from streamsrv.engines.asr.universal_streaming.utterance import WireUtterance
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable

MAX_KEPT_SAMPLES = 120 * SPEECH_RATE_HZ
"""Audio of a session that waits or may have to be sent again. An utterance with more fails with `Overloaded`."""
MAX_LEAD_S = 200.0
"""Audio may be sent so far ahead of real time. The provider closes connections that are five minutes ahead (3007)."""
_RENEWED_LEAD_S = 100.0
"""An utterance does not begin on a connection that is so far ahead, but on a new one: recordings need not wait."""
_SOFT_TURN_SAMPLES = 30 * SPEECH_RATE_HZ
_HARD_TURN_SAMPLES = 60 * SPEECH_RATE_HZ
"""A turn with so much audio is ended, in the next pause or at once: what no ended turn covers is kept in memory."""
_QUIET_S = 1.0
"""After the turn was ended, no message for so long means that there are no more words, unless speech waits for them."""
_FORMAT_S = 1.5
"""How long the formatted text of an ended turn is waited for."""
_MAX_LOSSES = 3
"""Connections that may be lost while an utterance, or a turn of it, is on its way."""
_FIRST_BACKOFF_S = 0.2
_MAX_BACKOFF_S = 3.0
_TOLERANCE_MS = 200
"""How inexact the times of words are."""


@dataclass(frozen=True, slots=True)
class ExchangeLimits:
    """What the options of the catalogue entry say about times, in seconds."""

    stall_s: float = 6.0
    """Speech without an answer for so long means that the provider does not work."""
    final_s: float = 8.0
    """So does the end of a turn without an answer."""
    idle_s: float = 60.0
    endpoint_silence_ms: int = 2000
    """The provider ends a turn by itself after no shorter silence."""
    keep_alive_s: float = 30.0
    formatted: bool = True

    @property
    def doubt_s(self) -> float:
        """After the end of a turn, speech without words for so long means noise, or a provider that does not work.

        It is told to end the session, which shows which of them, as it gives all words before.
        """
        return self.final_s / 4


class ConnectionOver(Exception):
    """The connection must be closed, or was."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(slots=True)
class _Wire:
    """The state of a connection."""

    began_s: float
    settings: Mapping[str, tuple[str, ...]]
    sent: int = 0
    last_order: int = -1
    message_s: float = 0.0
    """When the last turn came."""
    outgoing_s: float = 0.0
    speech: int = 0
    """Samples of speech that were sent since then."""
    forced_s: float | None = None
    """When the turn of the utterance was ended, after its last audio."""
    ended_before: int = 0
    """Turns of the utterance that had ended by then."""
    splits: bool = False
    """Whether a turn in the middle of the utterance is being ended."""
    terminated_s: float | None = None
    is_complete: bool = False
    """Whether all words of what was sent have come, as the provider has ended the session."""

    def next_utterance(self) -> None:
        """The utterance that was sent is over."""
        self.forced_s, self.splits = None, False

    def lead_s(self, now_s: float) -> float:
        """How far the audio is ahead of real time."""
        return max(0.0, self.sent / SPEECH_RATE_HZ - (now_s - self.began_s))


class Exchange:
    """Decides what is sent, what an utterance gets, and when to connect.

    `connected`, then `next_outgoing` and `take` until one of them raises `ConnectionOver`, then `lost`. `jitter` gives
    0..1. Times (`now_s`) are of any monotonic clock.
    """

    def __init__(self, name: str, limits: ExchangeLimits, jitter: Callable[[], float]) -> None:
        self._name = name
        self._limits = limits
        self._jitter = jitter
        self._utterances: deque[WireUtterance] = deque()
        self._wire: _Wire | None = None
        self._losses = 0
        self._connect_s = 0.0
        self._idle_since_s: float | None = None

    @property
    def kept(self) -> int:
        """Samples in memory."""
        return sum(utterance.kept for utterance in self._utterances)

    @property
    def settings(self) -> Mapping[str, tuple[str, ...]]:
        """The parameters to connect with."""
        return self._utterances[0].settings if self._utterances else {}

    def open(self, utterance: WireUtterance) -> None:
        """Add an utterance. The caller pushes its audio, and then calls `pushed`."""
        self._utterances.append(utterance)

    def finish(self, utterance: WireUtterance) -> None:
        """No more audio comes."""
        utterance.finished = True
        if not utterance.length and utterance in self._utterances:
            self._remove(utterance)
            utterance.final()

    def pushed(self, utterance: WireUtterance) -> None:
        """Audio was added to an utterance."""
        if self.kept > MAX_KEPT_SAMPLES:
            seconds = MAX_KEPT_SAMPLES // SPEECH_RATE_HZ
            self._fail([utterance], Overloaded(f"{self._name} is {seconds} s of speech behind."))

    def drop(self, utterance: WireUtterance) -> None:
        """Nobody wants the transcript any more."""
        if utterance in self._utterances:
            utterance.drop()
            if not utterance.sent_any:
                self._remove(utterance)

    def connect_in_s(self, now_s: float) -> float | None:
        """Return how long to wait before connecting; None: no connection is needed."""
        needed = self._wire is None and any(not each.dropped for each in self._utterances)
        return max(0.0, self._connect_s - now_s) if needed else None

    def connected(self, now_s: float, settings: Mapping[str, tuple[str, ...]]) -> None:
        """A connection with these parameters is ready for audio."""
        self._wire = _Wire(now_s, settings, message_s=now_s, outgoing_s=now_s)
        self._idle_since_s = now_s

    def check_in_s(self, now_s: float) -> float:
        """Return after how many seconds `next_outgoing` must be called, if nothing else happens."""
        wire = self._wire
        if wire is not None and (wire.forced_s is not None or wire.terminated_s is not None):
            return 0.05
        return 0.25 if self._utterances else max(0.05, min(self._limits.idle_s, self._limits.keep_alive_s) / 4)

    def next_outgoing(self, now_s: float) -> str | bytes | None:
        """Return the next message to send, or None if there is none now; raises `ConnectionOver`."""
        wire = self._wire
        assert wire is not None
        if wire.terminated_s is not None:
            if now_s - wire.terminated_s > self._limits.final_s / 2:
                raise ConnectionOver(Problem(Cause.LOST, "does not end the session"))
            return None
        self._settle(wire, now_s)
        self._check_stall(wire, now_s)
        if self._is_doubtful(wire, now_s):
            wire.terminated_s = now_s
            return TERMINATE
        message = self._of_utterance(self._utterances[0], wire, now_s) if self._utterances else self._idle(wire, now_s)
        if message is None and now_s - wire.outgoing_s >= self._limits.keep_alive_s:
            message = KEEP_ALIVE
        if message is not None:
            wire.outgoing_s = now_s
        return message

    def take(self, data: str | bytes, now_s: float) -> None:
        """Take a message of the provider; raises `ConnectionOver`."""
        wire = self._wire
        assert wire is not None
        try:
            message = read_message(data)
        except GarbageError as error:
            raise ConnectionOver(Problem(Cause.GARBAGE, f"sent {error}")) from error
        match message:
            case Turn():
                self._take_turn(message, wire, now_s)
            case ErrorMessage():
                raise ConnectionOver(problem_of(message.error_code, message.error))
            case Termination():
                wire.is_complete = wire.terminated_s is not None
                self._settle(wire, now_s)
                raise ConnectionOver(Problem(Cause.LOST, "ended the session"))
            case _:
                pass

    def lost(self, problem: Problem, now_s: float) -> None:
        """The connection, or the attempt to connect, is over."""
        wire, self._wire = self._wire, None
        for utterance in list(self._utterances):
            if utterance.attached:
                self._detach(utterance)
        if not self._utterances or (wire is not None and wire.is_complete):
            return
        error = None if problem.cause is Cause.LOST and self._losses < _MAX_LOSSES else self.error_of(problem)
        if isinstance(error, Rejected):
            self._fail([each for each in self._utterances if each.settings.get(KEYTERMS)], error)
        elif error is not None:
            self.abandon(error)
        else:
            backoff_s = min(_FIRST_BACKOFF_S * 2**self._losses, _MAX_BACKOFF_S)
            self._connect_s = now_s + backoff_s * (0.5 + self._jitter())
            self._losses += 1

    def _detach(self, utterance: WireUtterance) -> None:
        is_said = utterance.finished and utterance.ended_turns and not utterance.is_open
        if utterance.dropped or (is_said and not utterance.speech_after_words()):
            self._utterances.remove(utterance)
            utterance.final()
        else:
            utterance.detach()

    def _remove(self, utterance: WireUtterance) -> None:
        if self._wire is not None and utterance is self._utterances[0]:
            self._wire.next_utterance()
        self._utterances.remove(utterance)

    def abandon(self, error: EngineError) -> None:
        """End all utterances with an error."""
        self._losses = 0
        self._fail(list(self._utterances), error)

    def error_of(self, problem: Problem) -> EngineError:
        """Return the error that ends the utterances if no other connection serves them."""
        message = f"{self._name}: {problem.message}."
        match problem.cause:
            case Cause.KEY_REFUSED:
                return Unavailable(message, refuses_key=True)
            case Cause.OVERLOADED:
                return Overloaded(message)
            case Cause.KEYTERMS_REFUSED if any(each.settings.get(KEYTERMS) for each in self._utterances):
                return Rejected(message, code="invalid_value", param="keywords")
            case _:
                return Unavailable(message)

    def _fail(self, utterances: list[WireUtterance], error: EngineError) -> None:
        for utterance in utterances:
            if utterance.sent_any:
                utterance.drop()  # what it sent must still be answered
            else:
                self._remove(utterance)
            utterance.fail(error)

    def _idle(self, wire: _Wire, now_s: float) -> str | None:
        if self._idle_since_s is None:
            self._idle_since_s = now_s
        if now_s - self._idle_since_s < self._limits.idle_s:
            return None
        wire.terminated_s = now_s
        return TERMINATE

    def _of_utterance(self, utterance: WireUtterance, wire: _Wire, now_s: float) -> str | bytes | None:
        self._idle_since_s = None
        if utterance.settings != wire.settings:
            wire.settings = utterance.settings
            return update_configuration(utterance.settings)
        if not utterance.attached:
            if wire.lead_s(now_s) > _RENEWED_LEAD_S:
                wire.terminated_s = now_s
                return TERMINATE
            utterance.attach(wire.sent, wire.last_order + 1)
            wire.speech, wire.message_s = 0, now_s
        if self._splits_turn(utterance, wire):
            wire.splits = True
            return FORCE_ENDPOINT
        may_send = int((MAX_LEAD_S - wire.lead_s(now_s)) * SPEECH_RATE_HZ)
        if (frame := utterance.next_frame(may_send)) is not None:
            wire.sent += len(frame.pcm) // 2
            wire.speech += frame.speech
            return frame.pcm
        if utterance.finished and utterance.all_sent and wire.forced_s is None:
            wire.forced_s = now_s
            wire.ended_before = utterance.ended_turns
            return FORCE_ENDPOINT if utterance.sent_any else None
        return None

    def _splits_turn(self, utterance: WireUtterance, wire: _Wire) -> bool:
        if wire.splits or wire.forced_s is not None or not utterance.is_open:
            return False
        limit = _SOFT_TURN_SAMPLES if utterance.in_pause else _HARD_TURN_SAMPLES
        return utterance.unended >= limit

    def _take_turn(self, turn: Turn, wire: _Wire, now_s: float) -> None:
        utterance = self._utterances[0] if self._utterances else None
        if utterance is None or not utterance.attached or not utterance.take(turn):
            return
        wire.last_order = max(wire.last_order, turn.turn_order)
        wire.message_s, wire.speech = now_s, 0
        if turn.end_of_turn:
            wire.splits = False
            self._losses = 0
        self._settle(wire, now_s)

    def _settle(self, wire: _Wire, now_s: float) -> None:
        """Give the final transcripts that are complete."""
        while self._utterances and self._is_complete(self._utterances[0], wire, now_s):
            utterance = self._utterances.popleft()
            wire.next_utterance()
            self._losses = 0
            utterance.final()

    def _is_complete(self, utterance: WireUtterance, wire: _Wire, now_s: float) -> bool:
        """Whether all turns of the utterance have come."""
        if not utterance.finished or utterance.is_open or not utterance.all_sent:
            return False
        if not utterance.sent_any or wire.is_complete:
            return True
        if wire.forced_s is None or (self._awaits_format(utterance) and now_s - wire.message_s < _FORMAT_S):
            return False
        has_ended = utterance.ended_turns > wire.ended_before
        gap_ms = _TOLERANCE_MS
        if has_ended:  # by us; or, at that moment, by the provider, which has then heard a silence of some length
            gap_ms = max(gap_ms, self._limits.endpoint_silence_ms - _TOLERANCE_MS)
        is_answered = not utterance.speech_after_words(gap_ms)
        if is_answered and (has_ended or utterance.ended_turns):
            return True
        may_be_quiet = is_answered or has_ended or utterance.dropped
        return may_be_quiet and self._silent_s(wire, now_s) >= _QUIET_S

    def _awaits_format(self, utterance: WireUtterance) -> bool:
        return self._limits.formatted and not utterance.is_formatted

    def _silent_s(self, wire: _Wire, now_s: float) -> float:
        """Return how long ago the provider could have given the last words, or has given some."""
        forced_s = now_s if wire.forced_s is None else wire.forced_s
        return now_s - max(wire.message_s, forced_s + wire.lead_s(forced_s))

    def _is_doubtful(self, wire: _Wire, now_s: float) -> bool:
        """Whether there may be words that have not come: speech was sent, and is not answered."""
        utterance = self._utterances[0] if self._utterances else None
        return utterance is not None and not utterance.is_open and self._silent_s(wire, now_s) >= self._limits.doubt_s

    def _check_stall(self, wire: _Wire, now_s: float) -> None:
        """Raise `ConnectionOver` if speech, or the end of a turn, was not answered in time."""
        utterance = self._utterances[0] if self._utterances else None
        if utterance is None or not utterance.attached:
            return
        since_s = now_s - wire.message_s - wire.lead_s(now_s)
        is_mute = wire.speech >= self._limits.stall_s * SPEECH_RATE_HZ and since_s >= self._limits.stall_s
        if is_mute or self._silent_s(wire, now_s) >= self._limits.final_s:
            raise ConnectionOver(Problem(Cause.LOST, "does not answer"))
