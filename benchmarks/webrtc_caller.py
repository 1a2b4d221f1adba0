"""A caller for `webrtc.py`: plays tones into a call in real time and records when each returns.

Uses aiortc for the connection. Opus packets are prepared, and received packets are inspected one by one before any
jitter buffer, so that the caller needs little CPU time and adds no delay.
"""

import asyncio
import json
import time
import urllib.request
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction

import aioice.ice
import av
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import RtpPacket

from streamsrv.testing.lossy_path import LossyPath
from webrtc_tones import FRAME, PERIOD_FRAMES, RATE, TONES_HZ, ToneDetector

CONNECT_S = 15
CONTENT_TYPE = {"Content-Type": "application/sdp"}

# aioice leaves loopback out, but the benchmark runs on loopback only.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


@dataclass(frozen=True, slots=True)
class Delay:
    sent_s: float
    """Time at which the first packet of the tone was sent (`time.monotonic`, which all processes share)."""
    ms: float


@dataclass(slots=True)
class Record:
    """What a caller recorded since the last `clear`."""

    sent: int = 0
    """Number of sent tones."""
    packets: int = 0
    round_trips: list[Delay] = field(default_factory=list[Delay])
    """Delays from sending a tone until its first sample could be played by the caller."""
    heard: list[Delay] = field(default_factory=list[Delay])
    """Delays from sending a tone until the server's session has its first sample, as the server reports."""
    late_ms: list[float] = field(default_factory=list[float])
    """Delay of each sent packet, which the caller itself adds."""

    def clear(self) -> None:
        self.sent = self.packets = 0
        for seen in (self.round_trips, self.heard, self.late_ms):
            seen.clear()


class TonePlayer(MediaStreamTrack):
    """Sends a packet every 20 ms and records when each tone was sent."""

    kind = "audio"

    def __init__(self, packets: list[bytes], record: Record) -> None:
        super().__init__()
        self._packets = packets
        self._record = record
        self._number = 0
        self._started_s: float | None = None
        self._sent = [deque[float](maxlen=4) for _ in TONES_HZ]

    def sent_before(self, tone: int, at_s: float) -> float | None:
        """Return when this tone was last sent before a time; None if it was not."""
        return next((sent_s for sent_s in reversed(self._sent[tone]) if sent_s < at_s), None)

    async def recv(self) -> av.Packet:
        now_s = time.monotonic()
        if self._started_s is None:
            self._started_s = now_s
        due_s = self._started_s + self._number * FRAME / RATE
        await asyncio.sleep(max(0.0, due_s - now_s))  # yield also when late, so that others run
        now_s = time.monotonic()
        self._record.late_ms.append((now_s - due_s) * 1000)
        place = self._number % len(self._packets)
        if place % PERIOD_FRAMES == 0:
            self._sent[place // PERIOD_FRAMES].append(now_s)
            self._record.sent += 1
        packet = av.Packet(self._packets[place])
        packet.pts, packet.time_base = self._number * FRAME, Fraction(1, RATE)
        self._number += 1
        return packet


class Caller:
    """One call to a server at `http://host:port`."""

    def __init__(self, url: str, packets: list[bytes]) -> None:
        self.record = Record()
        self._url = url
        self._player = TonePlayer(packets, self.record)
        self._detector = ToneDetector()
        self._decoder = av.CodecContext.create("libopus", "r")
        self._decoder.format, self._decoder.layout, self._decoder.sample_rate = "s16", "mono", RATE
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))

    async def connect(self, path: LossyPath | None = None) -> float:
        """Connect; return the ms from before the offer is created until the data channel is open."""
        started_s, opened = time.monotonic(), asyncio.Event()
        channel = self._connection.createDataChannel("oai-events")
        channel.on("open", opened.set)
        channel.on("message", self._take_event)
        self._connection.addTrack(self._player)
        await self._connection.setLocalDescription(await self._connection.createOffer())
        offer = self._connection.localDescription.sdp
        answer = await asyncio.to_thread(self._post, path.from_client(offer) if path else offer)
        (transceiver,) = self._connection.getTransceivers()
        transceiver.receiver._handle_rtp_packet = self._take_packet
        description = RTCSessionDescription(path.from_server(answer) if path else answer, "answer")
        await self._connection.setRemoteDescription(description)
        async with asyncio.timeout(CONNECT_S):
            await opened.wait()
        return (time.monotonic() - started_s) * 1000

    async def hang_up(self) -> None:
        await self._connection.close()

    def _post(self, offer: str) -> str:
        request = urllib.request.Request(f"{self._url}/v1/realtime/calls", offer.encode(), CONTENT_TYPE)
        with urllib.request.urlopen(request, timeout=CONNECT_S) as response:
            return response.read().decode()

    async def _take_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        arrived_s = time.monotonic()
        self.record.packets += 1
        for frame in self._decoder.decode(av.Packet(packet.payload)):
            tone = self._detector.hear(frame.to_ndarray()[0], arrived_s)
            if tone is not None:
                self._note(self.record.round_trips, tone.number, tone.arrived_s + tone.offset_s)

    def _take_event(self, event: str | bytes) -> None:
        fields = json.loads(event)
        if fields["type"] == "tone":
            self._note(self.record.heard, fields["number"], fields["arrived_s"])

    def _note(self, delays: list[Delay], tone: int, at_s: float) -> None:
        sent_s = self._player.sent_before(tone, at_s)
        if sent_s is not None:
            delays.append(Delay(sent_s, (at_s - sent_s) * 1000))
