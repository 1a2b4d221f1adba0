"""Patches of aiortc for what it has no option for. A test covers each."""

from collections.abc import Callable
from typing import Any

from aiortc import RTCRtpReceiver, rtp
from aiortc.rtp import RtpPacket

from streamsrv.media.offer import PAYLOAD_TYPES

_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"


class _PacketTap:
    """Takes the place of aiortc's jitter buffer and never returns a frame to decode."""

    def __init__(self, on_packet: Callable[[RtpPacket], None]) -> None:
        self._on_packet = on_packet

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        self._on_packet(packet)
        return False, None


def tap_packets(receiver: RTCRtpReceiver, on_packet: Callable[[RtpPacket], None]) -> None:
    """Give each RTP packet to `on_packet` instead of aiortc's jitter buffer and decoder.

    aiortc's buffer stalls at the first lost packet and keeps that delay. Its RTCP statistics continue to work.
    """
    if not hasattr(receiver, _JITTER_BUFFER):
        raise RuntimeError("This version of aiortc is not supported: its jitter buffer has another place.")
    setattr(receiver, _JITTER_BUFFER, _PacketTap(on_packet))


def tap_connectivity_checks(receiver: RTCRtpReceiver, on_check: Callable[[], None]) -> None:
    """Call `on_check` for each STUN request of the client, which a browser sends as long as its page is open."""
    connection: Any = receiver.transport.transport._connection  # pyright: ignore[reportPrivateUsage]
    request_received = connection.request_received

    def heard(*arguments: Any) -> None:
        on_check()
        request_received(*arguments)

    connection.request_received = heard


def answer_with_offered_payload_types() -> None:
    """Make aiortc answer with the client's payload type, also below 96, where aiortc would use its own."""
    rtp.DYNAMIC_PAYLOAD_TYPES = PAYLOAD_TYPES  # pyright: ignore[reportAttributeAccessIssue]
