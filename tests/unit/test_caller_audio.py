"""The audio of a call's chunks: order, gaps, repeats, and rates that a stream does not have."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.audio.g711 import encode_mulaw
from streamsrv.audio.jitter_buffer import MAX_WAIT_MS, MIN_WAIT_MS
from streamsrv.protocol.session_object import Pcm, Pcmu
from streamsrv.transports.telephony.arrival_rate import MAX_WINDOWS, ArrivalRate
from streamsrv.transports.telephony.caller_audio import LINEAR_RATES, MAX_GAP_MS, CallerAudio
from streamsrv.transports.telephony.codec import MediaReceived


def chunk(number: int, samples: int = 160) -> MediaReceived:
    """A chunk of linear audio, each sample of which is the chunk's number."""
    return MediaReceived(np.full(samples, number, "<i2").tobytes(), number)


def heard(audio: CallerAudio, *arrivals: tuple[int, float]) -> list[int]:
    """The number of each 20 ms that are heard of chunks that arrive at these times; 0: silence."""
    pieces = [pcm for number, at_ms in arrivals for pcm in audio.add(chunk(number), at_ms)]
    return numbers(pieces)


def numbers(pieces: list[np.ndarray]) -> list[int]:
    pcm = np.concatenate([np.zeros(0, np.int16), *pieces])
    assert len(pcm) % 160 == 0
    return [int(part[0]) for part in pcm.reshape(-1, 160)]


def linear() -> CallerAudio:
    return CallerAudio(Pcm(), 8000)


def test_chunks_in_order_are_heard_at_once():
    assert heard(linear(), (1, 0), (2, 20), (3, 40)) == [1, 2, 3]


def test_swapped_chunks_are_heard_in_order_at_the_start_too():
    assert heard(linear(), (2, 0), (1, 1), (4, 2), (3, 3)) == [1, 2, 3, 4]
    assert heard(linear(), (1, 0), (0, 1), (2, 2)) == [1, 2], "a stream that begins with 1 has no chunk 0"
    assert heard(linear(), (0, 0), (2, 1), (1, 2)) == [0, 1, 2]


def test_a_stream_that_is_joined_late_begins_with_its_first_chunk():
    assert heard(linear(), (500, 0), (502, 1), (501, 2)) == [500, 501, 502]


def test_repeated_chunks_are_heard_once():
    assert heard(linear(), (1, 0), (1, 1), (2, 20), (1, 21), (2, 22), (3, 40)) == [1, 2, 3]


def test_a_lost_chunk_becomes_silence_after_a_bounded_wait():
    audio = linear()
    assert heard(audio, (1, 0), (3, 40)) == [1]
    assert audio.deadline_ms is not None
    assert 40 + MIN_WAIT_MS <= audio.deadline_ms <= 40 + MAX_WAIT_MS
    assert numbers(audio.expire(audio.deadline_ms)) == [0, 3]
    assert audio.lost_chunks == 1
    assert heard(audio, (2, 200)) == [], "it comes too late"
    assert audio.deadline_ms is None


def test_a_long_gap_is_not_filled_completely():
    audio = linear()
    heard(audio, (1, 0), (1001, 20_000))
    silence, last = audio.expire(21_000)
    assert len(silence) == 8 * MAX_GAP_MS
    assert last[0] == 1001


def test_a_number_out_of_nowhere_changes_nothing_and_numbers_may_be_huge():
    assert heard(linear(), (1, 0), (9_000, 20), (2, 40), (3, 60)) == [1, 2, 3]
    big = 2**53 - 5
    chunks = [MediaReceived(np.full(160, n, "<i2").tobytes(), big + n) for n in range(4)]
    audio = linear()
    assert numbers([pcm for media in chunks for pcm in audio.add(media, 0)]) == [0, 1, 2, 3]


@given(st.lists(st.integers(0, 2**53), max_size=60), st.integers(0, 400))
def test_any_numbers_give_a_bounded_amount_of_audio(arrivals: list[int], step_ms: int):
    audio = linear()
    pieces = [
        pcm
        for index, number in enumerate(arrivals)
        for pcm in audio.add(MediaReceived(bytes(320), number), index * step_ms)
    ]
    pieces += audio.expire(float("inf"))
    assert sum(map(len, pieces)) <= len(arrivals) * (160 + 8 * MAX_GAP_MS)
    assert audio.deadline_ms is None


def test_chunks_without_numbers_are_taken_as_they_come():
    audio = CallerAudio(Pcmu(), 8000)
    pcm = np.array([0, 1000, -1000, 32000], np.int16)
    [got] = audio.add(MediaReceived(encode_mulaw(pcm).tobytes()), 0)
    np.testing.assert_allclose(got, pcm, atol=700)
    assert audio.deadline_ms is None


def stream(audio: CallerAudio, real_rate: int, seconds: int) -> np.ndarray:
    """Send a tone of 440 Hz in chunks of 20 ms at its real rate; return what is heard."""
    tone = (8000 * np.sin(np.arange(real_rate * seconds) * 2 * np.pi * 440 / real_rate)).astype("<i2")
    step = real_rate // 50
    pieces = [
        pcm
        for index, start in enumerate(range(0, len(tone), step))
        for pcm in audio.add(MediaReceived(tone[start : start + step].tobytes(), index + 1), index * 20)
    ]
    return np.concatenate(pieces)


def test_audio_of_8_khz_that_says_16_khz_is_resampled_after_three_seconds():
    audio = CallerAudio(Pcm(), 16_000)
    got = stream(audio, 8_000, 6)
    assert audio.real_rate == 8_000
    assert len(got) / 8_000 > 6 * 1.3, "the last half has twice the samples"
    last = got[-16_000:].astype(float)
    assert abs(np.argmax(np.abs(np.fft.rfft(last))) - 440) <= 1, "440 Hz at the 16 kHz of the line"


def test_audio_with_the_rate_that_it_says_is_left_alone():
    for rate in LINEAR_RATES:
        audio = CallerAudio(Pcm(), rate)
        assert len(stream(audio, rate, 6)) == rate * 6
        assert audio.real_rate == rate


def test_a_network_that_stalls_is_no_wrong_rate():
    rate = ArrivalRate(16_000, LINEAR_RATES)
    at_ms = 0.0
    for second in range(30):
        for index in range(25 if second % 2 else 75):  # half of the audio comes a second late
            assert rate.add(320, at_ms + index * 10) is None
        at_ms += 1000


def test_a_stream_with_most_of_its_audio_lost_is_left_alone():
    rate = ArrivalRate(16_000, LINEAR_RATES)
    assert [rate.add(320, index * 100) for index in range(10 * (MAX_WINDOWS + 5))] == [None] * 10 * (MAX_WINDOWS + 5)


def test_a_burst_is_no_rate():
    rate = ArrivalRate(8_000, LINEAR_RATES)
    assert [rate.add(160, 0) for _ in range(10_000)] == [None] * 10_000
