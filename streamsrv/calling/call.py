"""One simulated call: a caller with a script, the network between him and the server, and what both sides said."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import level_dbfs
from streamsrv.audio.resample import StreamResampler
from streamsrv.calling.impairment import Impairment, Path
from streamsrv.calling.peers.base import Clear, HangUp, Mark, Message, Peer, Play, Violation
from streamsrv.calling.playback import Overfilled, Playback
from streamsrv.calling.script import Manners, Script, Spoken, Turn
from streamsrv.calling.wires import CallFailed, Ended, Wire, open_wire

STEP_MS = 20
MAX_VIOLATIONS = 20
"""Violations that are kept; the others are counted."""
GRACE_S = 30.0
"""Seconds beyond the longest duration in which a call has to be over."""


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What is called, and what the caller does. `url`: ws://, wss:// or, for AudioSocket, tcp://host:port."""

    url: str
    turns: Sequence[Turn] = ()
    sample_rate: int = 0
    """Of the audio of the turns, in Hz; 0: that of the peer."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    manners: Manners = Manners()  # noqa: RUF009 (it cannot be changed)
    impairment: Impairment = Impairment()  # noqa: RUF009 (it cannot be changed)
    max_s: float = 300.0
    """Seconds after which the caller hangs up, whatever is said."""
    drop_after_ms: int | None = None
    """When the connection breaks without a word; None: never."""


@dataclass(slots=True)
class CallReport:
    """What happened, seen from the caller. Audio is mono at `sample_rate`; positions are in ms since the start."""

    provider: str
    sample_rate: int
    ended_by: str = "caller"
    """`caller`, `server`, `time` (the longest duration) or `drop` (of the connection)."""
    reason: str = ""
    """How the server ended the call."""
    duration_ms: int = 0
    turns: list[Spoken] = field(default_factory=list[Spoken])
    marks: int = 0
    clears: list[int] = field(default_factory=list[int])
    """When the server had audio dropped."""
    first_sound_ms: int | None = None
    """When the caller heard anything at all."""
    first_audio_ms: int | None = None
    """When the first audio of the server came."""
    played_ms: int = 0
    dropped_ms: int = 0
    """Audio of the server that was played, and that was dropped by `clear`."""
    ahead_ms: int = 0
    """The longest audio that waited to be played."""
    lost_chunks: int = 0
    late_ms: int = 0
    """How late the simulator itself was at most: figures are not more exact than that."""
    violations: list[str] = field(default_factory=list[str])
    """What the server sent that the provider does not accept."""
    caller: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))
    agent: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))
    """What the caller said, and what he heard."""

    def stereo(self) -> NDArray[np.int16]:
        """Return both sides, `(samples, 2)`: the caller left, the agent right."""
        both = np.zeros((max(len(self.caller), len(self.agent)), 2), np.int16)
        both[: len(self.caller), 0], both[: len(self.agent), 1] = self.caller, self.agent
        return both


async def place_call(peer: Peer, plan: CallPlan) -> CallReport:
    """Make a call, and return when it has ended; raises `CallFailed` if the server cannot be reached or refuses."""
    try:
        async with asyncio.timeout(plan.max_s + GRACE_S), open_wire(plan.url, plan.headers) as wire:
            return await _Call(peer, plan, wire).run()
    except TimeoutError:
        raise CallFailed(f"{plan.url} does not read what it is sent.") from None
    except Ended as ended:
        raise CallFailed(f"{plan.url} ended the call before it began: {ended}") from ended


class _Call:
    def __init__(self, peer: Peer, plan: CallPlan, wire: Wire) -> None:
        self._peer, self._plan, self._wire = peer, plan, wire
        self._playback = Playback(peer.sample_rate, clear_passes_marks=peer.clear_passes_marks)
        self._script = Script(_at_rate(plan, peer.sample_rate), peer.sample_rate, STEP_MS, plan.manners)
        self._path = Path(plan.impairment, peer.chunk_ms, peer.keeps_order)
        self._report = CallReport(peer.provider, peer.sample_rate)
        self._clock = asyncio.get_running_loop().time
        self._started_s = self._clock()
        self._said: list[NDArray[np.int16]] = []
        self._chunk: list[NDArray[np.int16]] = []
        self._marks: deque[str] = deque()  # that passed and were not told yet
        self._telling = asyncio.Lock()

    async def run(self) -> CallReport:
        for message in self._peer.opening():
            await self._wire.send(message)
        self._started_s = self._clock()
        listening = asyncio.create_task(self._listen())
        speaking = asyncio.create_task(self._speak())
        try:
            await asyncio.wait((listening, speaking), return_when=asyncio.FIRST_COMPLETED)
            if not listening.done():
                await self._close()
        finally:
            for task in (listening, speaking):
                task.cancel()
            outcomes = await asyncio.gather(listening, speaking, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Ended):
                self._ended("server", str(outcome))
            elif isinstance(outcome, Exception):
                raise outcome
        return self._finish()

    def _now_ms(self) -> int:
        return int((self._clock() - self._started_s) * 1000)

    async def _listen(self) -> None:
        """Read what the server sends until it ends the call."""
        while True:
            message = await self._wire.receive()
            await self._play_on()
            try:
                order = self._peer.read(message)
            except Violation as violation:
                self._violated(str(violation))
                continue
            match order:
                case Play():
                    self._play(order.pcm)
                case Mark():
                    await self._tell(self._playback.mark(order.name))
                case Clear():
                    self._report.clears.append(self._now_ms())
                    await self._tell(self._playback.clear())
                    await self._send(self._peer.cleared())
                case HangUp():
                    raise Ended("The server ended the call.")

    def _play(self, pcm: NDArray[np.int16]) -> None:
        if self._report.first_audio_ms is None:
            self._report.first_audio_ms = self._now_ms()
        try:
            self._playback.play(pcm)
        except Overfilled as error:
            self._violated(str(error))

    async def _speak(self) -> None:
        """Send the caller's audio in real time, chunk by chunk, until he hangs up."""
        number, heard = 0, 0
        while True:
            due_s = self._started_s + number * STEP_MS / 1000
            await asyncio.sleep(max(0.0, due_s - self._clock()))
            self._report.late_ms = max(self._report.late_ms, round((self._clock() - due_s) * 1000))
            await self._play_on()
            now_ms = number * STEP_MS
            end = now_ms * self._peer.sample_rate // 1000
            level = level_dbfs(self._playback.heard(heard, end))
            heard = end
            pcm, key = self._script.step(now_ms, level, self._playback.waiting > 0)
            await self._say(pcm, now_ms)
            await self._send(self._peer.digit(key) if key else None)
            if self._is_over(now_ms):
                return
            number += 1

    async def _say(self, pcm: NDArray[np.int16], now_ms: int) -> None:
        self._said.append(pcm)
        self._chunk.append(pcm)
        if len(self._chunk) * STEP_MS >= self._peer.chunk_ms:
            chunk = np.concatenate(self._chunk)
            self._chunk.clear()
            if self._path.loses():
                self._peer.skip()
            else:
                self._path.put(self._peer.media(chunk), now_ms)
        for message in self._path.due(now_ms):
            await self._wire.send(message)

    def _is_over(self, now_ms: int) -> bool:
        if self._plan.drop_after_ms is not None and now_ms >= self._plan.drop_after_ms:
            self._ended("drop", "The connection was dropped, as planned.")
            self._wire.drop()
        elif now_ms >= self._plan.max_s * 1000:
            self._ended("time", f"The caller hung up after {self._plan.max_s:g} s.")
        elif self._script.is_over:
            self._ended("caller", "")
        else:
            return False
        return True

    async def _close(self) -> None:
        """Hang up as the provider does."""
        if self._report.ended_by == "drop":
            return
        with suppress(Ended):
            for message in self._peer.closing():
                await self._wire.send(message)

    async def _play_on(self) -> None:
        await self._tell(self._playback.advance(self._position()))

    async def _tell(self, marks: list[str]) -> None:
        """Have the server know which marks passed, in order."""
        self._marks += marks
        async with self._telling:
            while self._marks:
                self._report.marks += 1
                await self._send(self._peer.passed(self._marks.popleft()))

    async def _send(self, message: Message | None) -> None:
        if message is not None:
            await self._wire.send(message)

    def _position(self) -> int:
        return int((self._clock() - self._started_s) * self._peer.sample_rate)

    def _violated(self, what: str) -> None:
        if len(self._report.violations) < MAX_VIOLATIONS:
            self._report.violations.append(what)

    def _ended(self, by: str, reason: str) -> None:
        if not self._report.duration_ms:
            self._report.ended_by, self._report.reason = by, reason
            self._report.duration_ms = max(1, self._now_ms())

    def _finish(self) -> CallReport:
        report, playback, rate = self._report, self._playback, self._peer.sample_rate
        report.turns = self._script.spoken
        report.played_ms = playback.played * 1000 // rate
        report.dropped_ms = playback.dropped * 1000 // rate
        report.ahead_ms = playback.most_waiting * 1000 // rate
        report.lost_chunks = self._path.lost
        report.caller = np.concatenate([np.zeros(0, np.int16), *self._said])
        report.agent = playback.heard(0, playback.position)
        sounds = np.flatnonzero(np.abs(report.agent) > SOUND_PEAK)
        report.first_sound_ms = int(sounds[0]) * 1000 // rate if len(sounds) else None
        return report


def _at_rate(plan: CallPlan, sample_rate: int) -> list[Turn]:
    if plan.sample_rate in (0, sample_rate):
        return list(plan.turns)
    return [
        replace(turn, pcm=StreamResampler(plan.sample_rate, sample_rate).process(turn.pcm, last=True))
        for turn in plan.turns
    ]


SOUND_PEAK = 100
"""The sample from which on something is heard."""
