"""One call of the SIP process: moves its audio, and tells the server what happens to it."""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from streamsrv.audio.resample import StreamResampler
from streamsrv.sip.addresses import address_to_refer
from streamsrv.sip.messages import Digit, Ended, Heard, Held, Passed, SipMessage, Transferred
from streamsrv.sip.playout import Playout

logger = logging.getLogger(__name__)

AHEAD_S = 0.06
"""Seconds of audio that the stack gets ahead of time, so that a late tick is not heard."""
MAX_READ_S = 1
NARROW_RATE_HZ = 8000
KEYS = frozenset("0123456789*#ABCD")


class SipCall:
    """`stack_call`: the stack's object. `home`: the host of numbers. `send`: sends a message to the server."""

    def __init__(self, stack: Any, stack_call: Any, home: str, send: Callable[[SipMessage], None]) -> None:
        self._stack = stack
        self._call = stack_call
        self._home = home
        self._send = send
        self._on_end: Callable[[], object] = lambda: None
        self.number: int = stack_call.handle
        self.playout = Playout()
        self.sample_rate = NARROW_RATE_HZ
        """Of the audio that the server hears and sends, in Hz. The stack's is another one after a change of codecs."""
        self._listening = self._speaking = StreamResampler(NARROW_RATE_HZ, NARROW_RATE_HZ)
        self._rates = NARROW_RATE_HZ, NARROW_RATE_HZ
        self.has_ended = False
        self.reason = ""
        stack_call.on(self._happened)

    def on_end(self, forget: Callable[[], object]) -> None:
        """Call `forget` when the call has ended."""
        self._on_end = forget

    def use_rate(self, sample_rate: int) -> None:
        """Choose the rate for the whole call, before it is answered."""
        self.sample_rate = sample_rate
        self._follow(self._rates[0])

    async def answer(self) -> None:
        """Answer with 200."""
        try:
            # Without `video` the stack changes the session once more, which not every peer expects.
            await self._call.answer(video=True)
        except self._stack.BaresipError as error:
            logger.warning("a call cannot be answered: %s", error)
            await self.hang_up()

    async def hang_up(self) -> None:
        """End the call (BYE), or reject it while it rings (486)."""
        try:
            await self._call.hangup()
        except self._stack.StaleHandleError:
            pass
        except self._stack.BaresipError as error:
            logger.warning("a call cannot be hung up: %s", error)

    async def transfer(self, destination: str) -> None:
        """Ask the peer to call another telephone, and tell the outcome."""
        problem = ""
        try:
            await self._call.transfer(address_to_refer(destination, self._home))
        except (self._stack.BaresipError, ValueError) as error:
            problem = str(error)
        self._send(Transferred(self.number, problem))

    def play(self, pcm: bytes) -> None:
        """Queue audio."""
        if not self.playout.play(pcm, self.sample_rate):
            logger.error("a call has too much audio waiting; the excess is dropped")

    def clear(self) -> None:
        """Drop what was not played."""
        with suppress(self._stack.AudioNotActive, self._stack.AudioRestarted):
            self._call.audio.flush_tx()
        for name in self.playout.clear():
            self._send(Passed(self.number, name))

    def exchange(self) -> None:
        """Take what the caller has said, and give the stack what it plays next."""
        audio = self._call.audio
        try:
            info = audio.info()
            if not (info.tx_ready and info.rx_ready):
                return
            self._follow(info.tx_sample_rate)
            if heard := audio.read(MAX_READ_S * info.rx_sample_rate * 2):
                pcm = self._listening.process(np.frombuffer(heard, np.int16))
                self._send(Heard(self.number, pcm.tobytes()))
            ahead = int(AHEAD_S * self.sample_rate) * 2
            buffered = self._in_line(info.tx_buffered)
            if piece := self.playout.next(buffered, ahead):
                self.playout.accept(len(piece))
                audio.write(self._speaking.process(np.frombuffer(piece, np.int16)).tobytes())
                buffered = self._in_line(audio.info().tx_buffered)
            for name in self.playout.passed(buffered):
                self._send(Passed(self.number, name))
        except (self._stack.AudioNotActive, self._stack.AudioRestarted):
            pass  # before and after the call, and while it is held

    def _in_line(self, count: int) -> int:
        """Return bytes at the stack's rate as bytes at the rate of the line."""
        return count * self.sample_rate // self._rates[0]

    def _follow(self, stack_rate: int) -> None:
        """Resample from and to the stack's rate."""
        if (stack_rate, self.sample_rate) != self._rates:
            self._rates = stack_rate, self.sample_rate
            self._listening = StreamResampler(stack_rate, self.sample_rate)
            self._speaking = StreamResampler(self.sample_rate, stack_rate)

    def _happened(self, event: Any) -> None:
        if event.event is self._stack.Event.CALL_DTMF_START and event.text and event.text in KEYS:
            self._send(Digit(self.number, event.text))  # of SIP INFO the stack reports no end
        if event.event in (self._stack.Event.CALL_HOLD, self._stack.Event.CALL_RESUME):
            self._send(Held(self.number, event.event is self._stack.Event.CALL_HOLD))
        if event.event is self._stack.Event.CALL_CLOSED and not self.has_ended:
            self.has_ended = True
            self.reason = event.text or "The caller hung up."
            self._send(Ended(self.number, self.reason))
            self._on_end()
