"""A call with stock packages: `openai` makes it, `aiortc` carries it; every event is checked for conformance."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import numpy as np
from aiortc import (
    MediaStreamError,
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from av import AudioFrame
from numpy.typing import NDArray
from openai import AsyncOpenAI

from client_audio import RATE
from streamsrv.conformance.recorder import Recorder
from streamsrv.testing.lossy_path import LossyPath

WAIT_S = 30
FRAME = RATE // 50
AUDIBLE = 1000


class Microphone(MediaStreamTrack):
    """What is said, at real time, and silence in between."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._waiting = np.zeros(0, np.int16)
        self._frames = 0
        self._started_s: float | None = None

    def say(self, pcm: NDArray[np.int16]) -> None:
        self._waiting = np.concatenate([self._waiting, pcm])

    async def recv(self) -> AudioFrame:
        now_s = asyncio.get_running_loop().time()
        if self._started_s is None:
            self._started_s = now_s
        await asyncio.sleep(max(0.0, self._started_s + self._frames * FRAME / RATE - now_s))
        samples, self._waiting = self._waiting[:FRAME], self._waiting[FRAME:]
        frame = AudioFrame.from_ndarray(np.pad(samples, (0, FRAME - len(samples)))[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._frames * FRAME, Fraction(1, RATE)
        self._frames += 1
        return frame


class Speaker:
    """What comes out of the call: mono at 48 kHz."""

    def __init__(self) -> None:
        self._heard: list[NDArray[np.int16]] = []
        self._changed = asyncio.Event()

    async def play(self, track: MediaStreamTrack) -> None:
        """Until the track ends."""
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, AudioFrame)
                self._heard.append(frame.to_ndarray()[0, ::2].copy())
                self._changed.set()
        except MediaStreamError:
            pass

    @property
    def audible_ms(self) -> float:
        """How much of it was not silence."""
        return sum(int(np.count_nonzero(np.abs(pcm) > AUDIBLE)) for pcm in self._heard) / 48

    async def until(self, audible_ms: float) -> None:
        async with asyncio.timeout(WAIT_S):
            while self.audible_ms < audible_ms:
                self._changed.clear()
                await self._changed.wait()


class Call:
    """One call: `events` are those of the data channel so far."""

    def __init__(self, channel: RTCDataChannel) -> None:
        self.id = ""
        self.microphone = Microphone()
        self.speaker = Speaker()
        self.recorder = Recorder()
        self.events: list[dict[str, Any]] = []
        self._channel = channel
        self._frames: asyncio.Queue[str] = asyncio.Queue()
        channel.on("message", self._frames.put_nowait)

    async def until(self, event_type: str) -> dict[str, Any]:
        """Receive events up to the next of a type; return that one."""
        async with asyncio.timeout(WAIT_S):
            while True:
                self.events.append(self.recorder.take(await self._frames.get()))
                if self.events[-1]["type"] == event_type:
                    return self.events[-1]

    def send(self, event_type: str, **fields: Any) -> None:
        self._channel.send(json.dumps({"type": event_type, **fields}))

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


@asynccontextmanager
async def calling(
    client: AsyncOpenAI, session: dict[str, Any] | None = None, path: LossyPath | None = None
) -> AsyncGenerator[Call]:
    """A call; its order of events is checked at the end."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    call = Call(connection.createDataChannel("oai-events"))
    connection.addTrack(call.microphone)
    async with asyncio.TaskGroup() as tasks:
        connection.on("track", lambda track: tasks.create_task(call.speaker.play(track)))
        try:
            await connection.setLocalDescription(await connection.createOffer())
            offer = connection.localDescription.sdp
            options: dict[str, Any] = {"session": session} if session else {}
            made = await client.realtime.calls.create(sdp=path.from_client(offer) if path else offer, **options)
            assert made.response.status_code == 201
            call.id = made.response.headers["location"].rpartition("/")[2]
            answer = path.from_server(made.text) if path else made.text
            await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            await call.until("session.created")
            yield call
            call.recorder.check_order()
        finally:
            await connection.close()
