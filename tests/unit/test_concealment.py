"""Concealment of lost audio."""

import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.audio.jitter_buffer import Lost, Paused
from streamsrv.audio.opus import SILENCE, OpusEncoder
from streamsrv.audio.rates import OPUS_FRAME_SAMPLES, PCM_RATE_HZ
from streamsrv.media.concealment import MAX_CONCEALED_TICKS, ConcealingDecoder


def voice(frames: int) -> list[bytes]:
    """Packets of a tone."""
    times = np.arange(frames * OPUS_FRAME_SAMPLES) / PCM_RATE_HZ
    tone = (8000 * np.sin(2 * np.pi * 220 * times)).astype(np.int16)
    encoder = OpusEncoder(lossy=True)
    return [encoder.encode(frame) for frame in tone.reshape(-1, OPUS_FRAME_SAMPLES)]


def level(pcm: NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean(pcm.astype(float) ** 2)))


@pytest.fixture
def decoder() -> ConcealingDecoder:
    """It has just heard half a second of the tone."""
    decoder = ConcealingDecoder()
    for packet in voice(25):
        decoder.decode(packet)
    return decoder


def test_silence_after_a_voice_is_silent_soon(decoder: ConcealingDecoder):
    tail = [decoder.decode(SILENCE) for _ in range(3)]
    assert np.abs(tail[0].astype(int)).max() < 9000
    assert level(tail[2]) < 2


def test_a_lost_packet_is_made_up_from_what_came_before(decoder: ConcealingDecoder):
    before = decoder.decode(voice(1)[0])
    concealed = decoder.decode(Lost(960))
    assert len(concealed) == 960
    assert level(concealed) > 0.5 * level(before)


def test_a_long_loss_is_concealed_at_its_start_and_silent_after_that(decoder: ConcealingDecoder):
    concealed = decoder.decode(Lost(20_000))
    assert len(concealed) == 20_000
    assert concealed[:MAX_CONCEALED_TICKS].any()
    assert not concealed[MAX_CONCEALED_TICKS:].any()


def test_a_pause_is_silence(decoder: ConcealingDecoder):
    assert not decoder.decode(Paused(960)).any()


def test_a_loss_before_anything_came_is_silence():
    pcm = ConcealingDecoder().decode(Lost(960))
    assert len(pcm) == 960
    assert not pcm.any()


def test_what_is_no_opus_does_no_harm():
    decoder = ConcealingDecoder()
    rng = np.random.default_rng(7)
    for length in range(1, 200):
        decoder.decode(rng.bytes(length))
    pcm = np.concatenate([decoder.decode(packet) for packet in voice(25)])
    assert level(pcm) > 1000
