"""Reorders numbered packets (RTP, chunks of a telephone call) and reports missing ones. Pure: the caller passes the ms.

The audio goes to a recogniser, not to a loudspeaker, so it need not be released at an even pace. The next packet in
order is released at once; later packets wait behind a gap for a limited time. Once the gap is skipped, the delay is
zero again.
"""

from dataclasses import dataclass

from streamsrv.audio.rates import OPUS_CLOCK_HZ

MIN_WAIT_MS = 20.0
"""Shortest wait for a missing packet; above it, the wait follows the lateness of recent late packets."""
MAX_WAIT_MS = 60.0
"""Longest wait for a missing packet."""
DECAY_MS = 0.02
"""How much the wait shrinks with each packet."""
MAX_HELD = 64
"""Most packets that may wait behind a gap; one more skips the gap."""
MAX_GAP_TICKS = OPUS_CLOCK_HZ
"""Longest pause that is filled with silence, in ticks; the rest of a longer pause is left out."""
MAX_DROPOUT = 3000
"""A sequence number further ahead means that the sender has restarted (RFC 3550, appendix A.1)."""
MAX_MISORDER = 100
"""A sequence number further behind means that the sender has restarted (RFC 3550, appendix A.1)."""


@dataclass(frozen=True, slots=True)
class Packet:
    """An RTP packet: sequence number (16 bit), timestamp (32 bit, in ticks), and the duration of its audio in ticks."""

    sequence: int
    timestamp: int
    duration_ticks: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """Lost packets with `ticks` of audio."""

    ticks: int


@dataclass(frozen=True, slots=True)
class Paused:
    """A pause of `ticks` in which the sender sent nothing on purpose (discontinuous transmission)."""

    ticks: int


Released = bytes | Lost | Paused
"""A payload to decode, or a gap."""


class JitterBuffer:
    """Releases the packets of one stream in order, each once.

    `first`: the sequence number and the timestamp of the first packet, where the sender numbers from a known start;
    None: those of the packet that comes first.
    """

    def __init__(self, first: tuple[int, int] | None = None) -> None:
        self._next: int | None = first[0] if first is not None else None  # sequence number
        self._next_timestamp = first[1] if first is not None else 0
        self._held: dict[int, tuple[Packet, float]] = {}  # with the ms of their arrival
        self._skipped: dict[int, float] = {}  # sequence numbers, with the ms at which they were skipped
        self.wait_ms = MIN_WAIT_MS
        """Current wait for a missing packet."""
        self._restart_at: int | None = None

    @property
    def deadline_ms(self) -> float | None:
        """Time at which `expire` is due; None if no packet waits."""
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
        """Skip the gaps whose wait is over; return what can be decoded now."""
        return self._release(now_ms)

    def _start(self, packet: Packet) -> None:
        self._next, self._next_timestamp = packet.sequence, packet.timestamp
        self._held.clear()
        self._skipped.clear()
        self._restart_at = None

    def _take_late(self, sequence: int, now_ms: float) -> None:
        """Handle a duplicate, or a packet that comes after its gap was skipped, which makes the next wait longer."""
        given_up_ms = self._skipped.pop(sequence, None)
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
            released += self._skip_gap(now_ms)
        return released

    def _skip_gap(self, now_ms: float) -> list[Released]:
        """Skip the gap; continue with the first packet behind it."""
        hole_at = self._next
        assert hole_at is not None
        ahead = min(_signed(sequence - hole_at, 16) for sequence in self._held)
        self._skipped = {seq: at_ms for seq, at_ms in self._skipped.items() if now_ms - at_ms < 1000}
        self._skipped |= {(hole_at + i) & 0xFFFF: now_ms for i in range(min(ahead, MAX_MISORDER))}
        packet, _ = self._held.pop((hole_at + ahead) & 0xFFFF)
        return self._in_order(packet, Lost)

    def _in_order(self, packet: Packet, missing: type[Lost] | type[Paused]) -> list[Released]:
        """Return the packet, and before it the gap that its timestamp shows."""
        self._next = (packet.sequence + 1) & 0xFFFF
        if not packet.payload:  # padding has a sequence number but no audio
            return []
        gap = _signed(packet.timestamp - self._next_timestamp, 32)
        self._next_timestamp = packet.timestamp + packet.duration_ticks
        return [missing(min(gap, MAX_GAP_TICKS)), packet.payload] if gap > 0 else [packet.payload]


def _signed(difference: int, bits: int) -> int:
    """Return the shortest signed distance between two unsigned numbers that wrap around."""
    half = 1 << (bits - 1)
    return (difference + half) % (1 << bits) - half
