"""The audio that a session gets from a microphone whose packets are lost or late."""

import numpy as np

from streamsrv.audio.opus import OpusEncoder
from streamsrv.audio.rates import PCM_RATE_HZ, SPEECH_RATE_HZ
from streamsrv.media.microphone import MAX_BURST_S, MAX_RATE, MicrophoneStream

TICKS, PACKET_MS, BLOCK = 960, 20, 320
MAX_HELD_BACK = 48
"""Samples that the resampler may keep to itself: 3 ms."""


def packets(count: int) -> list[bytes]:
    """A second of a tone and more, in packets of 20 ms."""
    times = np.arange(count * PCM_RATE_HZ // 50) / PCM_RATE_HZ
    tone = (8000 * np.sin(2 * np.pi * 300 * times)).astype(np.int16)
    encoder = OpusEncoder(lossy=True)
    return [encoder.encode(frame) for frame in tone.reshape(count, -1)]


def receive(microphone: MicrophoneStream, payloads: list[bytes], number: int) -> int:
    """Give it one packet at its time; return how many samples were heard with it."""
    blocks = microphone.receive(number, number * TICKS, payloads[number], number * PACKET_MS)
    return sum(map(len, blocks))


def test_a_packet_is_heard_as_soon_as_it_comes():
    microphone, payloads = MicrophoneStream(), packets(10)
    heard = [receive(microphone, payloads, number) for number in range(10)]
    assert BLOCK - MAX_HELD_BACK <= heard[0] <= BLOCK
    assert heard[1:] == [BLOCK] * 9


def test_after_a_loss_nothing_is_missing_and_nothing_is_late():
    microphone, payloads = MicrophoneStream(), packets(10)
    heard = [receive(microphone, payloads, number) for number in range(3)]
    assert receive(microphone, payloads, 4) == 0, "the hole is waited for"
    assert microphone.deadline_ms is not None
    heard.append(sum(map(len, microphone.expire(microphone.deadline_ms))))
    assert sum(heard) == heard[0] + 4 * BLOCK, "the lost packet is made up"
    assert [receive(microphone, payloads, number) for number in range(5, 10)] == [BLOCK] * 5


def test_packets_that_overtake_each_other_are_heard_in_order():
    payloads = packets(8)
    straight, crooked = MicrophoneStream(), MicrophoneStream()
    expected = [block for n in range(8) for block in straight.receive(n, n * TICKS, payloads[n], n * PACKET_MS)]
    order = [0, 1, 3, 2, 4, 5, 7, 6]
    heard = [block for n in order for block in crooked.receive(n, n * TICKS, payloads[n], 8 * PACKET_MS)]
    np.testing.assert_array_equal(np.concatenate(heard), np.concatenate(expected))


def seconds_heard(microphone: MicrophoneStream, sent: list[tuple[int, int, bytes, float]]) -> float:
    """Seconds of audio that are heard of packets: sequence number, timestamp, payload, ms of their arrival."""
    return sum(len(block) for packet in sent for block in microphone.receive(*packet)) / SPEECH_RATE_HZ


def test_audio_of_timestamps_ahead_of_time_is_bounded():
    (payload,) = packets(1)
    jumps = [(number, number * 48_000, payload, number * 10.0) for number in range(200)]  # 200 s in 2 s
    assert seconds_heard(MicrophoneStream(), jumps) <= MAX_BURST_S + 2 * MAX_RATE


def test_audio_of_packets_that_claim_to_be_long_is_bounded():
    claims_4_s = bytes([0b00011011, 63]) + bytes(63)
    sent = [(number, number * 960, claims_4_s, number * 20.0) for number in range(100)]
    assert seconds_heard(MicrophoneStream(), sent) <= MAX_BURST_S + 2 * MAX_RATE


def test_audio_of_packets_that_come_too_fast_is_bounded():
    payloads = packets(50)
    sent = [(number, number * TICKS, payloads[number % 50], number * 2.0) for number in range(1000)]  # 20 s in 2 s
    assert seconds_heard(MicrophoneStream(), sent) <= MAX_BURST_S + 2 * MAX_RATE


def test_pauses_and_a_stalled_network_lose_no_audio():
    payloads = packets(50)
    talk = [(number, number * TICKS, payloads[number % 50], number * 20.0) for number in range(500)]
    pause = 500 * TICKS + 40_000  # the sender sends nothing in silence
    stalled = [(500 + n, pause + n * TICKS, payloads[n % 50], 15_000.0) for n in range(200)]
    later = [(700 + n, pause + (200 + n) * TICKS, payloads[n % 50], 15_000.0 + n * 20) for n in range(500)]
    microphone = MicrophoneStream()
    heard = seconds_heard(microphone, talk + stalled + later)
    assert abs(heard - (1200 * 0.02 + 40_000 / 48_000)) < 0.1
    assert seconds_heard(microphone, [(1200, pause + 700 * TICKS, b"", 30_000.0)]) == 0


def test_hearing_goes_on_at_real_time_after_too_much_came():
    payloads = packets(50)
    microphone = MicrophoneStream()
    seconds_heard(microphone, [(n, n * TICKS, payloads[n % 50], 0.0) for n in range(1000)])
    steady = [(1000 + n, (1000 + n) * TICKS, payloads[n % 50], 1000.0 + n * 20) for n in range(100)]
    assert abs(seconds_heard(microphone, steady) - 2.0) < 0.1
