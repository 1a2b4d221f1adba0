"""A WebRTC client in the test process: a microphone to speak into, an ear, and the data channel."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from http.client import HTTPConnection
from typing import Any

import aioice.ice
import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from numpy.typing import NDArray

from serving import RunningServer

PATIENCE_S = 20
"""How long a test waits for something before it fails."""
RATE = 48_000
FRAME = RATE // 50
LOUD = 500
"""Level (root mean square) from which the caller hears something."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        return json.loads(self.body)["error"]


async def request(
    server: RunningServer, method: str, path: str, body: str | bytes = b"", headers: dict[str, str] | None = None
) -> Reply:
    """One HTTP request."""

    def ask() -> Reply:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        reply = Reply(response.status, dict(response.getheaders()), response.read())
        connection.close()
        return reply

    return await asyncio.to_thread(ask)


def form(**parts: str) -> tuple[bytes, dict[str, str]]:
    """A multipart body and its headers."""
    lines = [
        f'--boundary\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in parts.items()
    ]
    return ("".join(lines) + "--boundary--\r\n").encode(), {"Content-Type": "multipart/form-data; boundary=boundary"}


class MicrophoneTrack(MediaStreamTrack):
    """Sends what is said into it, at real time, and silence before and after."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._said = np.zeros(0, np.int16)
        self._samples = 0
        self._started_s: float | None = None

    def say(self, pcm: NDArray[np.int16]) -> None:
        """48 kHz mono."""
        self._said = np.concatenate([self._said, pcm])

    async def recv(self) -> av.AudioFrame:
        now_s = asyncio.get_running_loop().time()
        self._started_s = self._started_s or now_s
        await asyncio.sleep(max(0.0, self._started_s + self._samples / RATE - now_s))
        pcm, self._said = self._said[:FRAME], self._said[FRAME:]
        frame = av.AudioFrame.from_ndarray(np.pad(pcm, (0, FRAME - len(pcm)))[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._samples, Fraction(1, RATE)
        self._samples += FRAME
        return frame


class Caller:
    def __init__(self) -> None:
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.microphone = MicrophoneTrack()
        self.received: list[dict[str, Any]] = []
        self.heard: list[float] = []
        """Level of each 20 ms that came from the server."""
        self.call_path = ""
        self.channel = self.connection.createDataChannel("oai-events")
        self.closed = asyncio.Event()
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._hears = asyncio.Condition()
        self._listening: asyncio.Task[None] | None = None
        self.channel.on("message", lambda text: self._events.put_nowait(json.loads(text)))
        self.channel.on("close", self.closed.set)
        self.connection.on("connectionstatechange", self._state_changed)
        self.connection.on("track", self._track_came)

    async def offer(self) -> str:
        self.connection.addTrack(self.microphone)
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def connect(self, server: RunningServer, session: dict[str, Any] | None = None, **headers: str) -> Reply:
        """Post the offer, bare or with a session, and take the answer."""
        sdp = await self.offer()
        body, kind = (sdp.encode(), {"Content-Type": "application/sdp"})
        if session is not None:
            body, kind = form(sdp=sdp, session=json.dumps(session))
        reply = await request(server, "POST", "/v1/realtime/calls", body, {**kind, **headers})
        if reply.status == 201:
            self.call_path = reply.headers["location"]
            await self.connection.setRemoteDescription(RTCSessionDescription(reply.body.decode(), "answer"))
        return reply

    @property
    def call_id(self) -> str:
        return self.call_path.rpartition("/")[2]

    def send(self, event_type: str, **fields: Any) -> None:
        self.channel.send(json.dumps({"type": event_type, **fields}))

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            event = await self._events.get()
        self.received.append(event)
        return event

    async def until(self, event_type: str) -> dict[str, Any]:
        """The next event of a type; those before it are in `received`."""
        while (event := await self.next())["type"] != event_type:
            pass
        return event

    async def hears(self, *, sound: bool, frames: int = 5) -> None:
        """Until the last `frames` that came all were sound, or all silence."""
        async with asyncio.timeout(PATIENCE_S), self._hears:
            await self._hears.wait_for(
                lambda: len(self.heard) >= frames and all((level > LOUD) == sound for level in self.heard[-frames:])
            )

    def vanish(self) -> None:
        """Stop sending and answering, as a process does that is killed."""
        ice = self.connection.sctp.transport.transport._connection
        for protocol in ice._protocols:
            protocol.transport.abort()

    async def close(self) -> None:
        await self.connection.close()
        if self._listening is not None:
            await self._listening

    def _state_changed(self) -> None:
        if self.connection.connectionState in ("closed", "failed"):
            self.closed.set()

    def _track_came(self, track: MediaStreamTrack) -> None:
        self._listening = asyncio.create_task(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                pcm = (await track.recv()).to_ndarray().astype(float)
                async with self._hears:
                    self.heard.append(float(np.sqrt(np.mean(pcm**2))))
                    self._hears.notify_all()
        except MediaStreamError:
            pass


@asynccontextmanager
async def calling(
    server: RunningServer, session: dict[str, Any] | None = None, **headers: str
) -> AsyncGenerator[Caller]:
    """Open a call and read `session.created`."""
    caller = Caller()
    try:
        reply = await caller.connect(server, session, **headers)
        assert reply.status == 201, reply
        assert (await caller.next())["type"] == "session.created"
        yield caller
    finally:
        await caller.close()


def tone(duration_ms: int, amplitude: int = 8000) -> NDArray[np.int16]:
    """Loud audio at 48 kHz: speech to the fake detector."""
    return (amplitude * np.sin(np.arange(48 * duration_ms) * 2 * np.pi * 300 / RATE)).astype(np.int16)
