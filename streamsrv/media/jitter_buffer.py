"""Puts RTP packets into order and reports missing ones. Pure: wall time comes in as ms.

The audio goes to a recogniser, not a loudspeaker, so it need not be released at an even pace. The next packet in order
is released at once; only a gap makes later packets wait, for a limited time. After a loss the delay returns to zero as
soon as the gap is given up.
"""

from dataclasses import dataclass

from streamsrv.audio.rates import OPUS_CLOCK_HZ

MIN_WAIT_MS = 20.0
MAX_WAIT_MS = 60.0
"""Bounds of the wait for a missing packet; within them it follows the lateness of recent late packets."""
DECAY_MS = 0.02
"""By how much the wait shrinks with each packet: 1 ms a second."""
MAX_HELD = 64
"""Packets that may wait behind a gap; with one more the gap is given up."""
MAX_GAP_TICKS = OPUS_CLOCK_HZ
"""Longest pause that is filled with silence, in ticks; of a longer one the rest is left out."""
MAX_DROPOUT = 3000
MAX_MISORDER = 100
"""Sequence numbers further ahead or behind belong to a sender that has started anew (RFC 3550, appendix A.1)."""


@dataclass(frozen=True, slots=True)
class Packet:
    """An RTP packet: sequence number (16 bit), timestamp (32 bit, in ticks), length of its audio in ticks."""

    sequence: int
    timestamp: int
    duration_ticks: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """Packets are missing; their audio was `ticks` long."""

    ticks: int


@dataclass(frozen=True, slots=True)
class Paused:
    """The sender sent nothing for `ticks`, on purpose (discontinuous transmission)."""

    ticks: int


Released = bytes | Lost | Paused
"""A payload to decode, or the gap in its place."""


class JitterBuffer:
    """Releases the packets of one stream in order, each once."""

    def __init__(self) -> None:
        self._next: int | None = None  # sequence number
        self._next_timestamp = 0
        self._held: dict[int, tuple[Packet, float]] = {}  # with the ms of their arrival
        self._given_up: dict[int, float] = {}  # sequence numbers, with the ms of giving them up
        self.wait_ms = MIN_WAIT_MS
        """How long the buffer waits at present for a missing packet."""
        self._restart_at: int | None = None

    @property
    def deadline_ms(self) -> float | None:
        """When `expire` is due; None if nothing waits."""
        if not self._held:
            return None
        return min(arrival_ms for _, arrival_ms in self._held.values()) + self.wait_ms

    def insert(self, packet: Packet, now_ms: float) -> list[Released]:
        """Take a packet; return what can be decoded now."""
        if self._next is None:
            self._start(packet)
        assert self._next is not None
        ahead = _signed(packet.sequence - self._next, 16)
        if not -MAX_MISORDER < ahead < MAX_DROPOUT:
            # One stray packet changes nothing; two in a row are a new stream.
            is_second, self._restart_at = packet.sequence == self._restart_at, (packet.sequence + 1) & 0xFFFF
            if not is_second:
                return []
            self._start(packet)
            ahead = 0
        if ahead < 0:
            self._take_late(packet.sequence, now_ms)
            return []
        self.wait_ms = max(MIN_WAIT_MS, self.wait_ms - DECAY_MS)
        self._held.setdefault(packet.sequence, (packet, now_ms))
        return self._release(now_ms)

    def expire(self, now_ms: float) -> list[Released]:
        """Give up gaps whose wait is over; return what can be decoded now."""
        return self._release(now_ms)

    def _start(self, packet: Packet) -> None:
        self._next, self._next_timestamp = packet.sequence, packet.timestamp
        self._held.clear()
        self._given_up.clear()
        self._restart_at = None

    def _take_late(self, sequence: int, now_ms: float) -> None:
        """Handle a packet that was given up, which makes the next wait longer, or a duplicate."""
        given_up_ms = self._given_up.pop(sequence, None)
        if given_up_ms is not None:
            self.wait_ms = min(MAX_WAIT_MS, self.wait_ms + now_ms - given_up_ms)

    def _release(self, now_ms: float) -> list[Released]:
        released: list[Released] = []
        while self._held:
            assert self._next is not None
            packet, _ = self._held.pop(self._next, (None, 0.0))
            if packet is not None:
                released += self._in_order(packet, Paused)
                continue
            deadline_ms = self.deadline_ms
            assert deadline_ms is not None
            if now_ms < deadline_ms and len(self._held) <= MAX_HELD:
                break
            released += self._give_up(now_ms)
        return released

    def _give_up(self, now_ms: float) -> list[Released]:
        """Skip the gap and continue with the first packet behind it."""
        hole_at = self._next
        assert hole_at is not None
        ahead = min(_signed(sequence - hole_at, 16) for sequence in self._held)
        self._given_up = {seq: at_ms for seq, at_ms in self._given_up.items() if now_ms - at_ms < 1000}
        self._given_up |= {(hole_at + i) & 0xFFFF: now_ms for i in range(min(ahead, MAX_MISORDER))}
        packet, _ = self._held.pop((hole_at + ahead) & 0xFFFF)
        return self._in_order(packet, Lost)

    def _in_order(self, packet: Packet, missing: type[Lost] | type[Paused]) -> list[Released]:
        """The packet, after whatever its timestamp says is missing before it."""
        self._next = (packet.sequence + 1) & 0xFFFF
        if not packet.payload:  # padding: it has a sequence number, and no audio
            return []
        gap = _signed(packet.timestamp - self._next_timestamp, 32)
        self._next_timestamp = packet.timestamp + packet.duration_ticks
        return [missing(min(gap, MAX_GAP_TICKS)), packet.payload] if gap > 0 else [packet.payload]


def _signed(difference: int, bits: int) -> int:
    """A difference of two unsigned numbers that wrap around, as the shorter way from one to the other."""
    half = 1 << (bits - 1)
    return (difference + half) % (1 << bits) - half
