"""The jitter buffer, fed with packets of 20 ms whose payload is their number."""

import random

from streamsrv.audio.jitter_buffer import MAX_HELD, MAX_WAIT_MS, MIN_WAIT_MS, JitterBuffer, Lost, Packet, Paused

TICKS = 960


def packet(number: int, *, sequence: int = 1000, timestamp: int = 50_000, pause: int = 0) -> Packet:
    """The `number`-th packet of a stream, after a pause of so many ticks."""
    return Packet(
        (sequence + number) % 2**16, (timestamp + number * TICKS + pause) % 2**32, TICKS, number.to_bytes(4, "big")
    )


def payloads(*numbers: int) -> list[bytes]:
    return [number.to_bytes(4, "big") for number in numbers]


def test_packets_in_order_are_released_at_once():
    buffer = JitterBuffer()
    for number in range(5):
        assert buffer.insert(packet(number), number * 20) == payloads(number)
    assert buffer.deadline_ms is None


def test_swapped_packets_come_out_in_order():
    buffer = JitterBuffer()
    buffer.insert(packet(0), 0)
    assert buffer.insert(packet(2), 20) == []
    assert buffer.insert(packet(1), 25) == payloads(1, 2)


def test_a_packet_that_comes_twice_is_released_once():
    buffer = JitterBuffer()
    buffer.insert(packet(0), 0)
    assert buffer.insert(packet(0), 1) == []
    assert buffer.insert(packet(2), 40) == []
    assert buffer.insert(packet(2), 41) == []
    assert buffer.insert(packet(1), 42) == payloads(1, 2)


def test_a_lost_packet_is_given_up_after_the_wait():
    buffer = JitterBuffer()
    buffer.insert(packet(0), 0)
    buffer.insert(packet(2), 40)
    assert buffer.deadline_ms == 40 + buffer.wait_ms
    assert buffer.expire(40 + buffer.wait_ms - 1) == []
    assert buffer.expire(40 + buffer.wait_ms) == [Lost(TICKS), *payloads(2)]


def test_after_a_loss_there_is_no_delay_left():
    buffer = JitterBuffer()
    buffer.insert(packet(0), 0)
    buffer.insert(packet(2), 40)
    assert buffer.insert(packet(3), 60) == [Lost(TICKS), *payloads(2, 3)]
    assert buffer.insert(packet(4), 80) == payloads(4)


def test_a_run_of_lost_packets_is_one_loss():
    buffer = JitterBuffer()
    buffer.insert(packet(0), 0)
    buffer.insert(packet(5), 100)
    assert buffer.expire(200) == [Lost(4 * TICKS), *payloads(5)]


def test_two_holes_are_waited_for_one_after_the_other():
    buffer = JitterBuffer()
    buffer.insert(packet(0), 0)
    buffer.insert(packet(2), 40)
    buffer.insert(packet(4), 55)
    assert buffer.expire(60) == [Lost(TICKS), *payloads(2)]
    assert buffer.expire(75) == [Lost(TICKS), *payloads(4)]


def test_a_packet_that_comes_too_late_makes_the_next_hole_wait_longer():
    buffer = JitterBuffer()
    buffer.insert(packet(0), 0)
    buffer.insert(packet(2), 40)
    buffer.expire(60)
    assert buffer.insert(packet(1), 75) == []
    assert buffer.wait_ms > MIN_WAIT_MS + 14


def test_the_wait_has_an_end():
    buffer = JitterBuffer()
    for number in range(2, 100, 2):
        buffer.insert(packet(number), number * 20)
        buffer.expire(number * 20 + 100)
        buffer.insert(packet(number - 1), number * 20 + 190)
    assert buffer.wait_ms <= MAX_WAIT_MS


def test_without_late_packets_the_wait_shrinks_again():
    buffer = JitterBuffer()
    buffer.insert(packet(0), 0)
    buffer.insert(packet(2), 40)
    buffer.expire(60)
    buffer.insert(packet(1), 100)
    for number in range(3, 3003):
        buffer.insert(packet(number), number * 20)
    assert buffer.wait_ms == MIN_WAIT_MS


def test_a_duplicate_does_not_make_holes_wait_longer():
    buffer = JitterBuffer()
    for number in range(3):
        buffer.insert(packet(number), number * 20)
    buffer.insert(packet(1), 500)
    assert buffer.wait_ms == MIN_WAIT_MS


def test_a_burst_after_a_stall_is_released_at_once():
    buffer = JitterBuffer()
    buffer.insert(packet(0), 0)
    released = [buffer.insert(packet(number), 800) for number in range(1, 40)]
    assert released == [payloads(number) for number in range(1, 40)]


def test_a_hole_is_given_up_when_too_much_waits_behind_it():
    buffer = JitterBuffer()
    buffer.insert(packet(0), 0)
    for number in range(2, MAX_HELD + 2):
        assert buffer.insert(packet(number), 1) == []
    assert buffer.insert(packet(MAX_HELD + 2), 1) == [Lost(TICKS), *payloads(*range(2, MAX_HELD + 3))]


def test_sequence_number_and_timestamp_wrap_around():
    buffer = JitterBuffer()
    for number in range(10):
        here = packet(number, sequence=2**16 - 5, timestamp=2**32 - 4 * TICKS)
        assert buffer.insert(here, number * 20) == payloads(number)


def test_a_hole_at_the_wrap_is_found():
    buffer = JitterBuffer()
    numbers = [number for number in range(10) if number != 5]
    released = [
        piece
        for number in numbers
        for piece in buffer.insert(packet(number, sequence=2**16 - 5, timestamp=2**32 - 5 * TICKS), number * 20)
    ]
    assert released == [*payloads(0, 1, 2, 3, 4), Lost(TICKS), *payloads(6, 7, 8, 9)]


def test_a_sender_that_pauses_is_a_pause_and_no_loss():
    buffer = JitterBuffer()
    buffer.insert(packet(0), 0)
    assert buffer.insert(packet(1, pause=400 * 48), 420) == [Paused(400 * 48), *payloads(1)]


def test_a_pause_without_end_is_not_filled():
    buffer = JitterBuffer()
    buffer.insert(packet(0), 0)
    assert buffer.insert(packet(1, pause=3600 * 48_000), 1) == [Paused(48_000), *payloads(1)]


def test_padding_is_no_audio_and_no_hole():
    buffer = JitterBuffer()
    buffer.insert(packet(0), 0)
    assert buffer.insert(Packet(1001, 50_000 + TICKS, 0, b""), 10) == []
    following = Packet(1002, 50_000 + TICKS, TICKS, b"next")
    assert buffer.insert(following, 20) == [b"next"]


def test_a_stray_packet_changes_nothing():
    buffer = JitterBuffer()
    buffer.insert(packet(0), 0)
    assert buffer.insert(packet(20_000), 10) == []
    assert buffer.insert(packet(1), 20) == payloads(1)


def test_a_sender_that_starts_anew_is_followed_from_its_second_packet():
    buffer = JitterBuffer()
    buffer.insert(packet(0), 0)
    assert buffer.insert(packet(20_000), 20) == []
    assert buffer.insert(packet(20_001), 40) == payloads(20_001)
    assert buffer.insert(packet(20_002), 60) == payloads(20_002)


def test_every_packet_that_comes_in_time_is_released_once_and_in_order():
    for seed in range(50):
        rng = random.Random(seed)
        sent = [number for number in range(300) if rng.random() > 0.05]
        arrivals = sorted((number * 20 + rng.uniform(0, 19), number) for number in sent)
        buffer, released = JitterBuffer(), list[bytes]()
        for arrival_ms, number in arrivals:
            released += [piece for piece in buffer.insert(packet(number), arrival_ms) if isinstance(piece, bytes)]
        released += [piece for piece in buffer.expire(10_000) if isinstance(piece, bytes)]
        assert released == payloads(*sent), f"seed {seed}"


def test_what_is_released_is_as_long_as_what_was_sent():
    for seed in range(50):
        rng = random.Random(seed)
        arrivals = sorted(
            (number * 20 + rng.expovariate(1 / 15), number)
            for number in range(300)
            if number in (0, 299) or rng.random() > 0.1
        )
        buffer, ticks = JitterBuffer(), 0
        for arrival_ms, number in arrivals:
            for piece in buffer.insert(packet(number), arrival_ms) + buffer.expire(arrival_ms):
                ticks += TICKS if isinstance(piece, bytes) else piece.ticks
        ticks += sum(TICKS if isinstance(piece, bytes) else piece.ticks for piece in buffer.expire(10_000))
        first = arrivals[0][1]
        assert ticks == (300 - first) * TICKS, f"seed {seed}"
