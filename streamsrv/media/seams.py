"""The places where aiortc is opened up, because it has no option for what is needed. A test watches over each."""

from collections.abc import Callable
from typing import Any

from aiortc import RTCRtpReceiver, rtp
from aiortc.rtp import RtpPacket

from streamsrv.media.offer import PAYLOAD_TYPES

_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"


class _PacketTap:
    """Stands where aiortc has its jitter buffer, and never gives it a frame to decode."""

    def __init__(self, on_packet: Callable[[RtpPacket], None]) -> None:
        self._on_packet = on_packet

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        self._on_packet(packet)
        return False, None


def tap_packets(receiver: RTCRtpReceiver, on_packet: Callable[[RtpPacket], None]) -> None:
    """Hand each RTP packet to `on_packet`, in place of aiortc's jitter buffer and decoder.

    That buffer stalls for 280 ms at the first lost packet, and stays so late. RTCP statistics remain aiortc's.
    """
    if not hasattr(receiver, _JITTER_BUFFER):
        raise RuntimeError("This version of aiortc keeps its jitter buffer elsewhere.")
    setattr(receiver, _JITTER_BUFFER, _PacketTap(on_packet))


def tap_connectivity_checks(receiver: RTCRtpReceiver, on_check: Callable[[], None]) -> None:
    """Call `on_check` for each STUN request of the client: a browser sends them as long as its page lives."""
    connection: Any = receiver.transport.transport._connection  # pyright: ignore[reportPrivateUsage]
    request_received = connection.request_received

    def heard(*arguments: Any) -> None:
        on_check()
        request_received(*arguments)

    connection.request_received = heard


def answer_with_offered_payload_types() -> None:
    """Answer with the payload type that the client has chosen, also below 96, where aiortc uses its own."""
    rtp.DYNAMIC_PAYLOAD_TYPES = PAYLOAD_TYPES  # pyright: ignore[reportAttributeAccessIssue]
