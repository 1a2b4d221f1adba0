import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.webrtc.jitter_buffer import Lost, Paused
from streamsrv.webrtc.opus import MAX_CONCEALED, SILENCE, OpusDecoder, OpusEncoder, duration
from streamsrv.webrtc.playout import FRAME_SAMPLES, SAMPLE_RATE


def voice(frames: int) -> NDArray[np.int16]:
    """A tone at 24 kHz."""
    times = np.arange(frames * FRAME_SAMPLES) / SAMPLE_RATE
    return (8000 * np.sin(2 * np.pi * 220 * times)).astype(np.int16)


def packets(pcm: NDArray[np.int16]) -> list[bytes]:
    encoder = OpusEncoder()
    return [encoder.encode(frame) for frame in pcm.reshape(-1, FRAME_SAMPLES)]


def level(pcm: NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean(pcm.astype(float) ** 2)))


def test_a_frame_is_one_packet_of_20_ms():
    for packet in packets(voice(20)):
        assert duration(packet) == 960


def test_audio_survives_the_codec():
    decoder = OpusDecoder()
    heard = np.concatenate([decoder.decode(packet) for packet in packets(voice(50))])[::2].astype(float)
    said = voice(50).astype(float)
    # The codec delays by some ms: the best match within 20 ms counts.
    matches = [np.corrcoef(said[4800:14400], heard[4800 + lag : 14400 + lag])[0, 1] for lag in range(FRAME_SAMPLES)]
    assert max(matches) > 0.98


def test_the_silence_packet_is_20_ms_of_silence():
    pcm = OpusDecoder().decode(SILENCE)
    assert duration(SILENCE) == len(pcm) == 960
    assert not pcm.any()


def test_silence_after_a_voice_is_silent_soon():
    decoder = OpusDecoder()
    for packet in packets(voice(25)):
        decoder.decode(packet)
    tail = [decoder.decode(SILENCE) for _ in range(3)]
    assert np.abs(tail[0].astype(int)).max() < 9000
    assert level(tail[2]) < 2


def test_a_lost_packet_is_made_up_from_what_came_before():
    decoder = OpusDecoder()
    for packet in packets(voice(25)):
        before = decoder.decode(packet)
    concealed = decoder.decode(Lost(960))
    assert len(concealed) == 960
    assert level(concealed) > 0.5 * level(before)


def test_a_long_loss_is_concealed_at_its_start_and_silent_after_that():
    decoder = OpusDecoder()
    for packet in packets(voice(25)):
        decoder.decode(packet)
    concealed = decoder.decode(Lost(20_000))
    assert len(concealed) == 20_000
    assert concealed[:MAX_CONCEALED].any()
    assert not concealed[MAX_CONCEALED:].any()


def test_a_pause_is_silence():
    decoder = OpusDecoder()
    for packet in packets(voice(25)):
        decoder.decode(packet)
    assert not decoder.decode(Paused(960)).any()


def test_a_loss_before_anything_came_is_silence():
    pcm = OpusDecoder().decode(Lost(960))
    assert len(pcm) == 960
    assert not pcm.any()


def test_what_is_no_opus_does_no_harm():
    decoder = OpusDecoder()
    rng = np.random.default_rng(7)
    for length in range(1, 200):
        decoder.decode(rng.bytes(length))
    pcm = np.concatenate([decoder.decode(packet) for packet in packets(voice(25))])
    assert level(pcm) > 1000


@pytest.mark.parametrize(
    ("packet", "ticks"),
    [
        (bytes([0 << 3]), 480),  # SILK 10 ms
        (bytes([3 << 3]), 2880),  # SILK 60 ms
        (bytes([13 << 3]), 960),  # hybrid 20 ms
        (bytes([16 << 3]), 120),  # CELT 2.5 ms
        (bytes([(31 << 3) | 1]), 1920),  # two frames
        (bytes([(31 << 3) | 3, 3]), 2880),  # a count of frames
        (bytes([3]), 0),
        (b"", 0),
    ],
)
def test_the_duration_is_read_from_the_first_bytes(packet: bytes, ticks: int):
    assert duration(packet) == ticks
