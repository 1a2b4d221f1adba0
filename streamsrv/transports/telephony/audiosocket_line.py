"""The `Line` of a call that Asterisk carries over AudioSocket."""

import asyncio
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.resample import StreamResampler
from streamsrv.errors import Unavailable
from streamsrv.protocol.session_object import Pcm
from streamsrv.transports.telephony.caller_audio import CallerAudio
from streamsrv.transports.telephony.codec import MalformedMessage, MediaReceived
from streamsrv.transports.telephony.codecs.audiosocket import (
    HANG_UP,
    AudioCame,
    AudioSocketReader,
    CallNamed,
    DigitCame,
    ErrorCame,
    HungUp,
    Message,
    UnknownCame,
    audio_messages,
    message,
)
from streamsrv.transports.telephony.line import CallFacts, DigitHeard, LineAudio, LineEvent, MarkPassed
from streamsrv.transports.telephony.line_events import LineEvents
from streamsrv.transports.telephony.oddities import Oddities

READ_BYTES = 4096
"""Bytes read at a time: twelve frames at 8 kHz."""
MAX_UNSENT_BYTES = 256 * 1024
"""Bytes that Asterisk may leave unread: 16 s of audio at 8 kHz, where it plays each 20 ms as they come."""
MAX_MALFORMED = 50
"""Messages that cannot be read, after which the connection is ended."""


class AudioSocketConnection:
    """The messages that come over one connection, in order."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._stream = reader
        self._messages = AudioSocketReader()
        self._waiting: list[Message | MalformedMessage] = []

    async def receive(self) -> Message | MalformedMessage | None:
        """Wait for the next message; None at the end of the connection."""
        while not self._waiting:
            try:
                data = await self._stream.read(READ_BYTES)
            except OSError:
                return None
            if not data:
                return None
            self._waiting = self._messages.read(data)
        return self._waiting.pop(0)


class AudioSocketLine:
    """A call whose rate is known; `run` carries it. See `Line`. `early`: messages that were read before the line."""

    buffers = False
    """False: Asterisk plays what it gets as it comes."""
    format = Pcm()

    def __init__(
        self,
        connection: AudioSocketConnection,
        writer: asyncio.StreamWriter,
        facts: CallFacts,
        sample_rate: int,
        early: Sequence[Message],
        oddities: Oddities,
        now_ms: Callable[[], float] = lambda: time.monotonic() * 1000,
    ) -> None:
        self.facts = facts
        self.sample_rate = sample_rate
        self._connection = connection
        self._writer = writer
        self._oddities = oddities
        self._now_ms = now_ms
        self._audio = CallerAudio(Pcm(), sample_rate)
        self._resamplers: dict[int, StreamResampler] = {}
        self._events = LineEvents()
        self._ended = asyncio.Event()
        for one in early:
            self._take(one)

    @property
    def reason(self) -> str | None:
        """Why the line has ended, as a sentence; None while it goes on."""
        return self._events.reason

    async def receive(self) -> LineEvent:
        return await self._events.take()

    def send(self, pcm: NDArray[np.int16]) -> None:
        for one in audio_messages(pcm.astype("<i2", copy=False).tobytes(), self.sample_rate):
            self._send(one)

    def mark(self, name: str) -> None:
        """Pass the mark at once: what was sent counts as played."""
        self._events.add(MarkPassed(name))

    def clear(self) -> None:
        """Do nothing: what was sent cannot be taken back."""

    def hang_up(self) -> None:
        self._send(message(HANG_UP))
        self.end("The server ended the call.")

    async def transfer(self, destination: str) -> None:
        raise Unavailable("AudioSocket has no transfers; Asterisk's dialplan goes on when the call ends here.")

    def end(self, reason: str) -> None:
        """End the line; what was received can still be taken."""
        self._events.end(reason)
        self._ended.set()

    async def run(self) -> None:
        """Read messages until the line has ended; the connection is not closed."""
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read())
            try:
                await self._ended.wait()
            finally:
                self.end("The server stops.")
                reading.cancel()

    async def _read(self) -> None:
        while self.reason is None:
            await self._events.room()
            received = await self._connection.receive()
            if received is None:
                self.end("Asterisk closed the connection.")
            elif isinstance(received, MalformedMessage):
                self._oddities.malformed(str(received))
                if self._oddities.malformed_messages > MAX_MALFORMED:
                    self.end("Asterisk sends messages that cannot be read.")
            else:
                self._take(received)

    def _take(self, received: Message) -> None:
        match received:
            case AudioCame(audio, sample_rate):
                self._hear(audio, sample_rate)
            case DigitCame(digit):
                self._events.add(DigitHeard(digit))
            case HungUp():
                self.end("The caller hung up.")
            case ErrorCame(text):
                self._oddities.reported(text)
            case UnknownCame(kind):
                self._oddities.unknown(f"{kind:#04x}")
            case CallNamed():
                self._oddities.malformed("a second UUID")

    def _hear(self, audio: bytes, sample_rate: int) -> None:
        if sample_rate != self.sample_rate:  # Asterisk changed the codec of the channel
            resampler = self._resamplers.setdefault(sample_rate, StreamResampler(sample_rate, self.sample_rate))
            pcm = resampler.process(np.frombuffer(audio, "<i2"))
        else:
            real_rate = self._audio.real_rate
            [pcm] = self._audio.add(MediaReceived(audio), self._now_ms())
            if self._audio.real_rate != real_rate:
                self._oddities.wrong_rate(self._audio.real_rate, sample_rate)
        if len(pcm):
            self._events.add(LineAudio(pcm))

    def _send(self, one: bytes) -> None:
        if self.reason is not None or self._writer.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.end("Asterisk does not read what it is sent.")
            return
        self._writer.write(one)
