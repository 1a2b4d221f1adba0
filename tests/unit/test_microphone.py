"""What a session hears of a microphone whose packets are lost or late."""

import numpy as np

from streamsrv.audio.opus import OpusEncoder
from streamsrv.media.microphone import MicrophoneStream
from streamsrv.media.playout import SAMPLE_RATE

TICKS, PACKET_MS, BLOCK = 960, 20, 320
MAX_HELD_BACK = 48
"""Samples that the resampler may keep to itself: 3 ms."""


def packets(count: int) -> list[bytes]:
    """A second of a tone and more, in packets of 20 ms."""
    times = np.arange(count * SAMPLE_RATE // 50) / SAMPLE_RATE
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
