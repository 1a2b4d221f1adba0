"""The `Line` of a call over SIP."""

import asyncio
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamsrv.errors import Unavailable
from streamsrv.protocol.session_object import AudioFormat, Pcm, Pcmu
from streamsrv.sip.messages import (
    Answer,
    Clear,
    Digit,
    Ended,
    HangUp,
    Heard,
    Held,
    Mark,
    Passed,
    Play,
    SipMessage,
    Transfer,
    Transferred,
)
from streamsrv.transports.telephony.line import CallFacts, DigitHeard, LineAudio, LineEvent, LineHeld, MarkPassed
from streamsrv.transports.telephony.line_events import LineEvents

NARROW_RATE_HZ = 8000
MAX_UNREAD_S = 30
"""Seconds of a caller's audio that may wait for the session; later audio is dropped."""


class SipLine:
    """One call. `take` gets the messages of the SIP process about it; `send` sends it one."""

    buffers = True

    def __init__(self, call: int, facts: CallFacts, sample_rate: int, send: Callable[[SipMessage], None]) -> None:
        self._call = call
        self._facts = facts
        self._sample_rate = sample_rate
        self._send = send
        self._events = LineEvents()
        self._unread = 0
        self._transferred: asyncio.Future[str] | None = None
        self._hangs_up = False

    @property
    def facts(self) -> CallFacts:
        return self._facts

    @property
    def format(self) -> AudioFormat:
        return Pcmu() if self._sample_rate == NARROW_RATE_HZ else Pcm()

    @property
    def sample_rate(self) -> int:
        return self._sample_rate

    @property
    def reason(self) -> str | None:
        """Why the call is over, as a sentence; None while it goes on."""
        return self._events.reason

    def answer(self) -> None:
        self._send(Answer(self._call))

    def refuse(self, status_code: int) -> None:
        """End a call that was not answered. The stack knows one status: 486."""
        self.hang_up()

    async def receive(self) -> LineEvent:
        event = await self._events.take()
        if isinstance(event, LineAudio):
            self._unread -= len(event.pcm)
        return event

    def send(self, pcm: NDArray[np.int16]) -> None:
        self._send(Play(self._call, pcm.astype(np.int16).tobytes()))

    def mark(self, name: str) -> None:
        self._send(Mark(self._call, name))

    def clear(self) -> None:
        self._send(Clear(self._call))

    def hang_up(self) -> None:
        if not self._hangs_up and self.reason is None:
            self._hangs_up = True
            self._send(HangUp(self._call))
            self._events.end("The server ended the call.")

    async def transfer(self, destination: str) -> None:
        if self.reason is not None:
            raise Unavailable("The call is over.")
        if self._transferred is not None:
            raise Unavailable("The call is being transferred already.")
        self._transferred = asyncio.get_running_loop().create_future()
        self._send(Transfer(self._call, destination))
        try:
            problem = await self._transferred
        finally:
            self._transferred = None
        if problem:
            raise Unavailable(f"The call could not be transferred to '{destination}': {problem}.")

    def take(self, message: SipMessage) -> None:
        """Take what the SIP process says of the call."""
        match message:
            case Heard(pcm=pcm):
                self._hear(np.frombuffer(pcm, np.int16))
            case Passed(name=name):
                self._events.add(MarkPassed(name))
            case Digit(digit=digit):
                self._events.add(DigitHeard(digit))
            case Held(held=held):
                self._events.add(LineHeld(held))
            case Transferred(problem=problem):
                self._end_transfer(problem)
            case Ended(reason=reason):
                self.end(f"The call has ended: {reason}" if reason else "The caller hung up.")
            case _:
                pass

    def end(self, reason: str) -> None:
        """The call is over; what was heard can still be taken."""
        self._events.end(reason)
        self._end_transfer(reason)

    def _hear(self, pcm: NDArray[np.int16]) -> None:
        if self._unread + len(pcm) <= MAX_UNREAD_S * self._sample_rate:
            self._unread += len(pcm)
            self._events.add(LineAudio(pcm))

    def _end_transfer(self, problem: str) -> None:
        if self._transferred is not None and not self._transferred.done():
            self._transferred.set_result(problem)
