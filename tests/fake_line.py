"""A fake telephone line: the network and the caller's telephone in the event loop of the test."""

import asyncio
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamsrv.errors import EngineError
from streamsrv.protocol.session_object import AudioFormat, Pcmu
from streamsrv.transports.telephony.line import CallFacts, DigitHeard, LineAudio, LineClosed, LineEvent, MarkPassed

PATIENCE_S = 20


class FakeLine:
    """Plays what it is sent as a telephone does, by the clock of the event loop, `delay_s` after it was sent.

    `heard` has what was played, with the time of each piece; `marks`: whether marks pass.
    """

    def __init__(
        self,
        *,
        buffers: bool = True,
        delay_s: float = 0.0,
        sample_rate: int = 8000,
        audio_format: AudioFormat = Pcmu(),  # noqa: B008 (it cannot be changed)
        marks: bool = True,
        direction: Literal["inbound", "outbound"] = "inbound",
    ) -> None:
        self.facts = CallFacts("fake", "call-1", "+491701234567", "+4930123456", direction)
        self.format = audio_format
        self.sample_rate = sample_rate
        self.buffers = buffers
        self.sends: list[tuple[float, int]] = []
        self.clears: list[float] = []
        self.hung_up = asyncio.Event()
        self.transfers: list[str] = []
        self.transfer_error: EngineError | None = None
        self._marks_pass = marks
        self._delay_s = delay_s
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[LineEvent | LineClosed] = asyncio.Queue()
        self._pieces: list[tuple[float, NDArray[np.int16]]] = []  # when the playback of each piece begins
        self._marks: list[tuple[asyncio.TimerHandle, str]] = []
        self._free_s = 0.0  # when all that was sent is played

    async def receive(self) -> LineEvent:
        event = await self._events.get()
        if isinstance(event, LineClosed):
            raise event
        return event

    def send(self, pcm: NDArray[np.int16]) -> None:
        now_s = self._loop.time()
        self.sends.append((now_s, len(pcm)))
        begins_s = max(self._free_s, now_s + self._delay_s)
        self._pieces.append((begins_s, pcm.copy()))
        self._free_s = begins_s + len(pcm) / self.sample_rate

    def mark(self, name: str) -> None:
        if self._marks_pass:
            at_s = max(self._free_s, self._loop.time() + self._delay_s) + self._delay_s
            self._marks.append((self._loop.call_at(at_s, self._pass, name), name))

    def clear(self) -> None:
        """Cut off what is not played when the order arrives; the marks in it pass at once, as providers do it."""
        self.clears.append(self._loop.time())
        if not self.buffers:
            return
        arrives_s = self._loop.time() + self._delay_s
        self._pieces = [
            (begins_s, pcm[: max(0, int((arrives_s - begins_s) * self.sample_rate))]) for begins_s, pcm in self._pieces
        ]
        self._free_s = min(self._free_s, arrives_s)
        for handle, name in self._marks:
            if handle.when() > arrives_s + self._delay_s:
                handle.cancel()
                self._loop.call_at(arrives_s + self._delay_s, self._pass, name)
        self._marks.clear()

    def hang_up(self) -> None:
        self.close("The server hung up.")
        self.hung_up.set()

    async def transfer(self, destination: str) -> None:
        self.transfers.append(destination)
        if self.transfer_error is not None:
            raise self.transfer_error

    def speak(self, pcm: NDArray[np.int16]) -> None:
        """The caller says this; it arrives in frames of 20 ms, all at once."""
        step = self.sample_rate // 50
        for start in range(0, len(pcm), step):
            self._events.put_nowait(LineAudio(pcm[start : start + step]))

    async def speak_in_time(self, pcm: NDArray[np.int16]) -> None:
        """The caller says this as fast as one speaks."""
        step = self.sample_rate // 50
        for start in range(0, len(pcm), step):
            self._events.put_nowait(LineAudio(pcm[start : start + step]))
            await asyncio.sleep(0.02)

    def press(self, digit: str) -> None:
        self._events.put_nowait(DigitHeard(digit))

    def close(self, why: str) -> None:
        self._events.put_nowait(LineClosed(why))

    def heard(self, until_s: float | None = None) -> NDArray[np.int16]:
        """What the caller has heard by now, or until then, without the silence between the pieces."""
        until_s = self._loop.time() if until_s is None else until_s
        cut = [pcm[: max(0, int((until_s - begins_s) * self.sample_rate))] for begins_s, pcm in self._pieces]
        return np.concatenate([np.zeros(0, np.int16), *cut])

    @property
    def heard_ms(self) -> float:
        return len(self.heard()) * 1000 / self.sample_rate

    def _pass(self, name: str) -> None:
        self._events.put_nowait(MarkPassed(name))
