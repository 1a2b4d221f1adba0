"""Parts of the media process that need aiortc, without a connection."""

import asyncio

import aiortc
import numpy as np
import pytest
from aioice import stun

from streamsrv.audio.opus import SILENCE, OpusDecoder
from streamsrv.media.messages import Ended, HangUp, Offer
from streamsrv.media.playout import Played
from streamsrv.media.seams import tap_connectivity_checks, tap_packets
from streamsrv.media.speech_track import TAIL_FRAMES, SpeechTrack
from streamsrv.media.worker import Worker


@pytest.fixture
async def receiver():
    connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    yield connection.addTransceiver("audio").receiver
    await connection.close()


async def test_aiortc_still_keeps_its_jitter_buffer_where_it_is_replaced(receiver):
    tapped = []
    tap_packets(receiver, tapped.append)
    opus = aiortc.RTCRtpReceiver.getCapabilities("audio").codecs[0]
    parameters = aiortc.rtcrtpparameters.RTCRtpCodecParameters(opus.mimeType, opus.clockRate, 2, 96)
    receiver._RTCRtpReceiver__codecs[96] = parameters
    packet = aiortc.rtp.RtpPacket(payload_type=96, sequence_number=7, timestamp=960)
    packet.payload = SILENCE
    await receiver._handle_rtp_packet(packet, arrival_time_ms=0)
    assert tapped == [packet]


class FakeProtocol:
    """Keeps what aioice answers to a STUN request."""

    def __init__(self) -> None:
        self.answers: list[stun.Message] = []

    def send_stun(self, message: stun.Message, addr: tuple[str, int]) -> None:
        self.answers.append(message)


async def test_aiortc_still_hands_connectivity_checks_on_where_they_are_counted(receiver):
    checks, protocol = [], FakeProtocol()
    tap_connectivity_checks(receiver, lambda: checks.append(1))
    check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    receiver.transport.transport._connection.request_received(check, ("127.0.0.1", 9), protocol)
    assert checks == [1]
    assert len(protocol.answers) == 1


async def test_a_call_that_cannot_be_served_costs_no_other(monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise RuntimeError("no libopus")

    sent: list[object] = []
    monkeypatch.setattr("streamsrv.media.worker.Peer", fail)
    worker = Worker()
    monkeypatch.setattr(worker, "_send", sent.append)
    worker._take(Offer(7, "v=0"))
    worker._take(HangUp(7))
    assert sent == [Ended(7, "The media process failed.")]


async def heard(track: SpeechTrack, packets: int) -> list[bytes]:
    return [bytes(await track.recv()) for _ in range(packets)]


async def test_a_track_with_nothing_to_say_sends_silence_without_encoding():
    assert await heard(SpeechTrack(lambda _: None), 3) == [SILENCE] * 3


async def test_timestamps_go_on_by_20_ms():
    track = SpeechTrack(lambda _: None)
    stamps = [(await track.recv()).pts for _ in range(3)]
    assert [stamp - stamps[0] for stamp in stamps] == [0, 960, 1920]


async def test_speech_at_any_rate_is_played_at_its_length_and_reported():
    reports: list[Played] = []
    track = SpeechTrack(reports.append)
    track.play("a", (8000 * np.sin(np.arange(1600) * 0.1)).astype(np.int16), 16_000)
    track.finish("a")
    packets = await heard(track, 6 + TAIL_FRAMES)
    assert reports[-1] == Played("a", 100, ended=True)
    assert packets[-1] == SILENCE
    decoder = OpusDecoder()
    assert np.abs(np.concatenate([decoder.decode(packet) for packet in packets])).max() > 4000


async def test_a_clock_that_is_far_behind_skips_what_it_missed(monkeypatch: pytest.MonkeyPatch):
    track = SpeechTrack(lambda _: None)
    first = (await track.recv()).pts
    loop = asyncio.get_running_loop()
    now_s = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now_s + 1.0)
    assert (await track.recv()).pts - first >= 40 * 960
