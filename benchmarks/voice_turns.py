"""What a client hears of one utterance's answers, from the messages of a server and the time. Pure.

All times are ms after the last voiced sample of the utterance, so they are negative before.
"""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import peer

STREAMSRV_RATE, PEER_RATE = 24_000, 24_000
"""Sample rates of the speech of both, in Hz."""


@dataclass
class Piece:
    """Audio of a reply that is played from `begin_ms` to `end_ms`."""

    reply: int
    begin_ms: float
    end_ms: float


class Playback:
    """Plays what it is given at once and in real time, until it is told to stop or to hold."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._held: list[Piece] | None = None

    def add(self, reply: int, length_ms: float, now_ms: float) -> None:
        if self._held is not None:
            self._held.append(Piece(reply, now_ms, now_ms + length_ms))
            return
        begin_ms = max(now_ms, self._pieces[-1].end_ms if self._pieces else now_ms)
        self._pieces.append(Piece(reply, begin_ms, begin_ms + length_ms))

    def hold(self, now_ms: float) -> None:
        if self._held is None:
            self._held = self._cut(now_ms)

    def resume(self, now_ms: float) -> None:
        held, self._held = self._held or [], None
        for piece in held:
            self.add(piece.reply, piece.end_ms - piece.begin_ms, now_ms)

    def stop(self, now_ms: float) -> None:
        self._held = None
        self._cut(now_ms)

    def _cut(self, now_ms: float) -> list[Piece]:
        """Take out what is not played yet, and return it."""
        rest = [Piece(p.reply, max(p.begin_ms, now_ms), p.end_ms) for p in self._pieces if p.end_ms > now_ms]
        played = [Piece(p.reply, p.begin_ms, min(p.end_ms, now_ms)) for p in self._pieces if p.begin_ms < now_ms]
        self._pieces = played
        return rest

    def is_idle(self, now_ms: float) -> bool:
        """Whether everything was played."""
        return self._held is None and (not self._pieces or self._pieces[-1].end_ms <= now_ms)

    def began_ms(self, reply: int, now_ms: float) -> float | None:
        """Return when the first sample of a reply was played; None: none was so far."""
        return next((p.begin_ms for p in self._pieces if p.reply == reply and p.begin_ms <= now_ms), None)

    def heard_ms(self, reply: int, now_ms: float) -> float:
        """Return how much of a reply was played until now."""
        own = [piece for piece in self._pieces if piece.reply == reply]
        return sum(max(0.0, min(piece.end_ms, now_ms) - piece.begin_ms) for piece in own)


@dataclass
class Turn:
    """What became of one utterance. `pauses_ms`: length of each pause inside of it.

    `ended_ms`: when the client learnt of each end of the turn; those before the last word are cut-offs, in the pauses
    `cut_pauses`. A false reply answers a turn that was cut off; `false_replies` counts those of which something was
    heard. `stages`: the `streamsrv.latency` of the answer that was meant, or of pipecat's messages. `pause_limits_ms`:
    what the server tells of each turn's end, where it does.
    """

    id: str
    speaker: str
    kind: str
    system: str
    pauses_ms: list[int]
    load: float = 0.0
    ended_ms: list[float] = field(default_factory=list)
    cut_pauses: list[int] = field(default_factory=list)
    first_sound_ms: float | None = None
    false_replies: int = 0
    false_reply_ms: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    pause_limits_ms: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)

    @property
    def is_cut_off(self) -> bool:
        return any(at_ms < 0 for at_ms in self.ended_ms)


class Hearing:
    """The part that is the same for both systems. Reply `n` answers the `n`th end of the turn, from 1 on."""

    def __init__(self) -> None:
        self.ended_ms: list[float] = []
        self.said: list[str] = []
        self.replies: list[str] = []
        self.stages: dict[str, float] = {}
        self.pause_limits_ms: list[float] = []
        self._playback = Playback()

    def is_answered(self, now_ms: float) -> bool:
        """Whether a reply to the whole utterance has begun to sound."""
        return self.first_sound_ms(now_ms) is not None

    def first_sound_ms(self, now_ms: float) -> float | None:
        began = (self._playback.began_ms(number, now_ms) for number in self._numbers(false=False))
        return next((at_ms for at_ms in began if at_ms is not None), None)

    def false_replies_ms(self, now_ms: float) -> list[float]:
        """Return how much was heard of each reply to a part of the utterance."""
        return [self._playback.heard_ms(number, now_ms) for number in self._numbers(false=True)]

    def _numbers(self, *, false: bool) -> list[int]:
        return [number for number, at_ms in enumerate(self.ended_ms, 1) if (at_ms < 0) == false]


class StreamsrvHearing(Hearing):
    """Follows the events of a streamsrv session.

    A stock client stops playing at `input_audio_buffer.speech_started`; one that asked for `playback.hold` at what
    these events say.
    """

    def __init__(self, *, holds: bool) -> None:
        super().__init__()
        self._holds = holds
        self._numbers_of: dict[str, int] = {}
        self._item_id: str | None = None
        self._is_sent = self._is_cleared = False

    def take(self, frame: str | bytes, now_ms: float) -> dict[str, Any]:
        """Handle one event at `now_ms`; return it."""
        event = json.loads(frame)
        match event["type"]:
            case "error":
                raise RuntimeError(event["error"]["message"])
            case "input_audio_buffer.speech_stopped":
                self.ended_ms.append(now_ms)
            case "input_audio_buffer.speech_started" if not self._holds:
                self._playback.stop(now_ms)
            case "streamsrv.playback.clear":
                self._playback.stop(now_ms)
                self._is_cleared = True
            case "streamsrv.playback.hold":
                self._playback.hold(now_ms)
            case "streamsrv.playback.resume":
                self._playback.resume(now_ms)
            case "conversation.item.input_audio_transcription.completed":
                self.said.append(event["transcript"])
            case "response.created":
                self._numbers_of[event["response"]["id"]] = len(self.ended_ms)
            case "response.output_audio.delta":
                if event["item_id"] != self._item_id:
                    self._item_id, self._is_sent, self._is_cleared = event["item_id"], False, False
                length_ms = len(base64.b64decode(event["delta"])) / 2 * 1000 / STREAMSRV_RATE
                self._playback.add(self._numbers_of[event["response_id"]], length_ms, now_ms)
            case "response.output_audio.done":
                self._is_sent = True
            case "response.output_audio_transcript.done":
                self.replies.append(event["transcript"])
            case "response.done":
                self._take_own(event["response"].get("streamsrv", {}), self._numbers_of[event["response"]["id"]])
        return event

    def _take_own(self, own: dict[str, Any], number: int) -> None:
        latency = own.get("latency", {})
        if "turn" in own:
            self.pause_limits_ms.append(own["turn"]["limit_ms"])
        if number in self._numbers(false=False):
            self.stages = latency

    def report(self, now_ms: float) -> str | None:
        """Return what a client that holds playback reports of the item that it was sent last."""
        if not self._holds or self._item_id is None:
            return None
        played_ms = int(self._playback.heard_ms(max(self._numbers_of.values()), now_ms))
        ended = self._is_cleared or (self._is_sent and self._playback.is_idle(now_ms))
        report = {"item_id": self._item_id, "audio_ms": played_ms, "ended": ended}
        return json.dumps({"type": "streamsrv.playback.report", **report})


class PipecatHearing(Hearing):
    """Follows the messages of the bot `voice_pipecat.py`. The bot sends speech in real time, and stops by itself."""

    def take(self, message: bytes, now_ms: float) -> None:
        if audio := peer.audio_of(message):
            if np.any(np.frombuffer(audio, "<i2")):
                self._playback.add(len(self.ended_ms), len(audio) / 2 * 1000 / PEER_RATE, now_ms)
            return
        if (told := peer.message_of(message)) is None:
            return
        if (stage := told.get("stage")) is None:  # one of pipecat's own
            return
        match stage:
            case "turn_ended":
                self.ended_ms.append(now_ms)
                self.stages = {"turn_ended_ms": now_ms}
                self.replies.append("")
            case "transcript":
                self.said.append(told["text"])
            case "first_token" if self.replies:
                self.replies[-1] += told["text"]
        self.stages.setdefault(f"{stage}_ms", now_ms)
