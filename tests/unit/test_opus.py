"""Opus packets: their length, joining them, and streams that decode to exactly the encoded length."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamsrv.audio.opus import (
    MAX_FRAMES,
    SILENCE,
    OpusDecoder,
    OpusEncoder,
    OpusError,
    OpusStream,
    Piece,
    duration_ticks,
    join,
)
from streamsrv.audio.rates import OPUS_FRAME_SAMPLES, PCM_RATE_HZ

FRAME_TICKS = 960


def voice(samples: int) -> NDArray[np.int16]:
    """A rising tone with pauses, at 24 kHz: no two places of it are alike."""
    times = np.arange(samples) / PCM_RATE_HZ
    loudness = 8000 * (np.sin(2 * np.pi * 3 * times) > -0.5)
    return (loudness * np.sin(2 * np.pi * (200 + 60 * times) * times)).astype(np.int16)


def packets(pcm: NDArray[np.int16]) -> list[bytes]:
    encoder = OpusEncoder(lossy=True)
    return [encoder.encode(frame) for frame in pcm.reshape(-1, OPUS_FRAME_SAMPLES)]


def decoded(pieces: list[Piece]) -> NDArray[np.int16]:
    """The audio of a stream, at 24 kHz, without what is not part of it."""
    decoder = OpusDecoder()
    heard = [decoder.decode(piece.packet)[::2] for piece in pieces]
    kept = [pcm[piece.pre_skip : len(pcm) - piece.end_trim] for piece, pcm in zip(pieces, heard, strict=True)]
    return np.concatenate(kept)


def encoded(parts: list[NDArray[np.int16]]) -> list[Piece]:
    stream = OpusStream()
    return [*(piece for part in parts for piece in stream.encode(part)), *stream.finish()]


def lag_of(heard: NDArray[np.int16], said: NDArray[np.int16]) -> tuple[int, float]:
    """By how many samples `heard` is later, and how alike the two are then."""
    window = said[2400:-2400].astype(float)
    scores = {
        lag: float(np.corrcoef(window, heard[2400 + lag : 2400 + lag + len(window)])[0, 1]) for lag in range(-240, 241)
    }
    best = max(scores, key=scores.__getitem__)
    return best, scores[best]


def test_a_frame_is_one_packet_of_20_ms():
    for packet in packets(voice(20 * OPUS_FRAME_SAMPLES)):
        assert duration_ticks(packet) == FRAME_TICKS


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
    assert duration_ticks(packet) == ticks


def test_the_silence_packet_is_20_ms_of_silence():
    pcm = OpusDecoder().decode(SILENCE)
    assert duration_ticks(SILENCE) == len(pcm) == FRAME_TICKS
    assert not pcm.any()


@pytest.mark.parametrize("packet", [b"", b"\x03", b"\x01\x02", b"\xff\xff\xff", bytes([31 << 3]) + bytes(1300)])
def test_what_is_no_packet_is_refused_and_the_next_one_is_decoded(packet: bytes):
    decoder = OpusDecoder()
    with pytest.raises(OpusError):
        decoder.decode(packet)
    assert len(decoder.decode(SILENCE)) == FRAME_TICKS


def test_a_packet_of_more_than_120_ms_is_refused():
    almost_a_second = bytes([(31 << 3) | 3, 48])
    with pytest.raises(OpusError):
        OpusDecoder().decode(almost_a_second)


@pytest.mark.parametrize("count", range(1, MAX_FRAMES + 1))
def test_joined_packets_hold_the_same_audio(count: int):
    single = packets(voice(count * OPUS_FRAME_SAMPLES))
    apart, together = OpusDecoder(), OpusDecoder()
    expected = np.concatenate([apart.decode(packet) for packet in single])
    joined = join(single)
    assert sum(map(duration_ticks, joined)) == count * FRAME_TICKS
    np.testing.assert_array_equal(np.concatenate([together.decode(packet) for packet in joined]), expected)


def test_frames_that_were_coded_alike_share_a_packet_and_others_do_not():
    hybrid, celt = bytes([13 << 3]), bytes([31 << 3])
    joined = join([hybrid, hybrid, celt, hybrid])
    assert list(map(duration_ticks, joined)) == [2 * FRAME_TICKS, FRAME_TICKS, FRAME_TICKS]


@pytest.mark.parametrize("length", [0, 1, 251, 252, 255, 256, 1274])
def test_frames_of_any_length_can_be_joined(length: int):
    toc = bytes([31 << 3])
    frames = [toc + bytes(length), toc + b"\xff\xfe", toc + bytes(3)]
    (packet,) = join(frames)
    assert len(OpusDecoder().decode(packet)) == 3 * FRAME_TICKS


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5000), min_size=1, max_size=6))
def test_as_many_samples_come_back_as_went_in(lengths: list[int]):
    whole = voice(sum(lengths))
    edges = np.cumsum([0, *lengths])
    pieces = encoded([whole[start:end] for start, end in pairwise(edges)])
    assert len(decoded(pieces)) == len(whole)
    assert all(duration_ticks(piece.packet) <= MAX_FRAMES * FRAME_TICKS for piece in pieces)
    assert not any(piece.pre_skip for piece in pieces[1:])
    assert not any(piece.end_trim for piece in pieces[:-1])


def test_what_comes_back_is_where_it_was_to_a_tenth_of_a_millisecond():
    said = voice(2 * PCM_RATE_HZ + 123)
    lag, likeness = lag_of(decoded(encoded([said])), said)
    assert abs(lag) <= 6  # of 24 a millisecond: the codec's own filters
    assert likeness > 0.98


def test_the_end_comes_back_too():
    said = voice(PCM_RATE_HZ)
    said[-480:] = 0
    said[-240:] = 9000
    assert np.abs(decoded(encoded([said]))[-200:]).max() > 4000


def test_less_than_a_frame_is_held_back():
    stream, given_ticks, made = OpusStream(), 0, 0
    for samples in (100, 480, 1000, 2879):
        given_ticks += 2 * samples
        made += sum(duration_ticks(piece.packet) for piece in stream.encode(voice(samples)))
        assert 0 <= given_ticks - made < FRAME_TICKS
