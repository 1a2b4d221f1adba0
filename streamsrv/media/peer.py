"""One call in its media process: the connection to the client, its microphone, the played speech and the events."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import cast

import numpy as np
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.rtp import RtpPacket
from aiortc.stats import RTCStats, RTCTransportStats
from numpy.typing import NDArray

from streamsrv.media.answer import complete_answer
from streamsrv.media.messages import (
    Answer,
    CallMessage,
    Clear,
    Ended,
    Event,
    HangUp,
    Hold,
    Microphone,
    Opened,
    PlayedUntil,
    Refused,
    Resume,
    Speech,
    SpeechFinished,
)
from streamsrv.media.microphone import MicrophoneStream
from streamsrv.media.offer import OfferRefused, ReadOffer, read_offer
from streamsrv.media.playout import Played
from streamsrv.media.public_candidates import with_public_candidates
from streamsrv.media.seams import tap_connectivity_checks, tap_packets
from streamsrv.media.speech_track import SpeechTrack
from streamsrv.media.udp_ports import watch_ports
from streamsrv.token_bucket import TokenBucket

logger = logging.getLogger(__name__)

EVENTS_CHANNEL = "oai-events"
NEGOTIATE_S = 10.0
"""Longest time to answer an offer, in seconds; candidates of a STUN or TURN server take time."""
CONNECT_S = 15.0
"""Longest time from the answer to an open data channel, in seconds."""
SILENCE_S = 5.0
"""Seconds without packets after which a client with a microphone is gone; a muted microphone sends silence."""
LISTENER_SILENCE_S = 15.0
"""Seconds without packets after which a client without a microphone is gone. It only sends RTCP reports and
connectivity checks, several seconds apart."""
WATCH_S = 0.5
MAX_UNREAD_BYTES = 4 * 1024 * 1024
"""Bytes of events that a client may leave unread before the call ends."""
EVENTS_PER_S, EVENTS_BURST = 100, 1000
BYTES_PER_S = 1024 * 1024
"""Rate of bytes that a client may send on the data channel; a faster client ends its call."""
BYTES_BURST = 32 * 1024 * 1024
"""Bytes that a client may send at once beyond `BYTES_PER_S`."""
FLUSH_S = 1.0
"""Longest time to send the last events of a call, in seconds."""
CLOSE_S = 5.0


class Peer:
    """Answers an offer and serves the connection until either side ends it. `send` gets its messages to the server."""

    def __init__(
        self,
        call: int,
        ice_servers: list[RTCIceServer],
        public_addresses: list[str],
        send: Callable[[CallMessage], None],
    ) -> None:
        self._call = call
        self._send = send
        self._ice_servers = ice_servers
        self._public_addresses = public_addresses
        self._connection: RTCPeerConnection | None = None
        self._track = SpeechTrack(self._report)
        self._microphone = MicrophoneStream()
        self._overdue: asyncio.TimerHandle | None = None
        self._channel: RTCDataChannel | None = None
        self._wants_channel = False
        self._is_open = False
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[str] = self._loop.create_future()
        self._checks = 0
        self._audio_s = -LISTENER_SILENCE_S  # time of the last audio
        self._events_left = TokenBucket(EVENTS_PER_S, EVENTS_BURST)
        self._bytes_left = TokenBucket(BYTES_PER_S, BYTES_BURST)

    async def run(self, sdp: str) -> None:
        """Serve the whole call; the last message is `Refused` or `Ended`."""
        try:
            async with asyncio.timeout(NEGOTIATE_S):
                answer = await self._negotiate(sdp)
        except OfferRefused as refused:
            self._send(Refused(self._call, refused.code, refused.text, refused.is_full))
        except TimeoutError:
            text = f"The offer could not be answered within {NEGOTIATE_S:g} seconds."
            self._send(Refused(self._call, "negotiation_timeout", text))
        else:
            if answer is None:
                self._send(Ended(self._call, "The server has no network address to offer for WebRTC."))
                return
            self._send(answer)
            self._send(Ended(self._call, await self._until_ended()))
        finally:
            await self._close()

    def take(self, message: CallMessage) -> None:
        """Handle a message of the server."""
        match message:
            case Event(text=text):
                self._send_event(text)
            case Speech(item_id=item_id, sample_rate=rate, pcm=pcm):
                if not self._track.play(item_id, np.frombuffer(pcm, np.int16), rate):
                    self.end("More speech was queued than a call may hold.")
            case SpeechFinished(item_id=item_id):
                self._track.finish(item_id)
            case Hold():
                self._track.hold()
            case Resume():
                self._track.resume()
            case Clear():
                self._track.clear()
            case HangUp():
                self.end("The server hung up.")
            case _:
                logger.error("a call does not handle messages of type %s", type(message).__name__)

    def end(self, reason: str) -> None:
        """End the call for a reason. Later reasons are ignored."""
        if not self._ended.done():
            self._ended.set_result(reason)

    async def _negotiate(self, sdp: str) -> Answer | None:
        """Answer an offer; None if no socket could be opened for it. Raises `OfferRefused`."""
        offer = read_offer(sdp)
        rewritten = offer.for_aiortc()
        self._wants_channel = offer.application is not None
        port_use = watch_ports()
        connection = self._connect(offer)
        (transceiver,) = connection.getTransceivers()
        try:
            await connection.setRemoteDescription(RTCSessionDescription(rewritten, "offer"))
            await connection.setLocalDescription(await connection.createAnswer())
        except Exception as error:
            logger.info("an offer cannot be answered", exc_info=error)
            raise OfferRefused("invalid_sdp", f"The SDP offer cannot be answered: {error}.") from None
        if port_use.lacks_port:
            text = "All UDP ports that this server may use for calls are in use."
            raise OfferRefused("media_ports_in_use", text, is_full=True)
        answer = connection.localDescription.sdp
        if "a=candidate:" not in answer:
            return None
        return Answer(
            self._call,
            with_public_candidates(complete_answer(answer, offer), self._public_addresses),
            offer.max_event_bytes,
            receives_audio=transceiver.currentDirection in ("sendrecv", "sendonly"),
            has_microphone=transceiver.currentDirection in ("sendrecv", "recvonly"),
        )

    def _connect(self, offer: ReadOffer) -> RTCPeerConnection:
        # Without a list aiortc asks a public STUN server. "balanced": one transport for each kind of section.
        policy = RTCBundlePolicy.MAX_BUNDLE if offer.is_bundled else RTCBundlePolicy.BALANCED
        configuration = RTCConfiguration(iceServers=self._ice_servers, bundlePolicy=policy)
        self._connection = connection = RTCPeerConnection(configuration)
        connection.on("connectionstatechange", self._state_changed)
        connection.on("datachannel", self._channel_opened)
        transceiver = connection.addTransceiver(self._track, "sendrecv")
        capabilities = RTCRtpReceiver.getCapabilities("audio")
        assert capabilities is not None
        transceiver.setCodecPreferences([codec for codec in capabilities.codecs if codec.name == "opus"])
        tap_packets(transceiver.receiver, self._packet_received)
        tap_connectivity_checks(transceiver.receiver, self._check_received)
        return connection

    async def _until_ended(self) -> str:
        """Wait for the end of the call and return the reason; end the call if the client is gone."""
        connect_by_s = self._loop.time() + CONNECT_S
        heard, heard_s, patience_s = 0, self._loop.time(), LISTENER_SILENCE_S
        while not self._ended.done():
            await asyncio.wait([self._ended], timeout=WATCH_S)
            now_s, received = self._loop.time(), await self._packets_received()
            if received > heard:
                heard, heard_s = received, now_s
                patience_s = SILENCE_S if now_s - self._audio_s < SILENCE_S else LISTENER_SILENCE_S
            if not self._is_open and now_s > connect_by_s:
                self.end(self._why_not_open())
            elif self._is_open and now_s > heard_s + patience_s:
                self.end(f"Nothing came from the client for {patience_s:g} seconds.")
        return self._ended.result()

    def _why_not_open(self) -> str:
        assert self._connection is not None
        if self._connection.connectionState != "connected":
            return f"The connection was not established within {CONNECT_S:g} seconds."
        return f"The client opened no data channel '{EVENTS_CHANNEL}' within {CONNECT_S:g} seconds."

    async def _packets_received(self) -> int:
        """Return the number of packets of any kind from the client."""
        assert self._connection is not None
        (receiver,) = self._connection.getReceivers()
        statistics = cast("dict[str, RTCStats]", await receiver.getStats()).values()
        return self._checks + sum(s.packetsReceived for s in statistics if isinstance(s, RTCTransportStats))

    def _state_changed(self) -> None:
        assert self._connection is not None
        state = self._connection.connectionState
        if state == "connected" and not self._wants_channel:
            self._open()
        elif state == "failed":
            self.end("The connection to the client failed.")
        elif state == "closed":
            self.end("The client closed the connection.")

    def _channel_opened(self, channel: RTCDataChannel) -> None:
        if channel.label != EVENTS_CHANNEL or self._channel is not None:
            logger.info("data channel '%s' ignored", channel.label)
            return
        self._channel = channel
        channel.on("message", self._event_received)
        channel.on("close", lambda: self.end("The client closed the data channel."))
        self._open()

    def _open(self) -> None:
        if not self._is_open:
            self._is_open = True
            self._send(Opened(self._call))

    def _event_received(self, event: str | bytes) -> None:
        now_s = self._loop.time()
        if self._ended.done():
            return
        if not (self._events_left.take(1, now_s) and self._bytes_left.take(len(event), now_s)):
            self.end("The client sends events faster than they are handled.")
            return
        self._send(Event(self._call, event if isinstance(event, str) else event.decode(errors="replace")))

    def _send_event(self, text: str) -> None:
        if self._channel is None or self._channel.readyState != "open":
            return
        if self._channel.bufferedAmount > MAX_UNREAD_BYTES:
            self.end("The client does not read what it is sent.")
        else:
            self._channel.send(text)

    def _check_received(self) -> None:
        self._checks += 1

    def _packet_received(self, packet: RtpPacket) -> None:
        self._audio_s = self._loop.time()
        self._hear(
            self._microphone.receive(packet.sequence_number, packet.timestamp, packet.payload, self._audio_s * 1000)
        )

    def _expire(self) -> None:
        self._hear(self._microphone.expire(self._loop.time() * 1000))

    def _hear(self, blocks: Iterable[NDArray[np.int16]]) -> None:
        for block in blocks:
            self._send(Microphone(self._call, block.tobytes()))
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
        deadline_ms = self._microphone.deadline_ms
        if deadline_ms is not None and not self._ended.done():
            self._overdue = self._loop.call_at(deadline_ms / 1000, self._expire)

    def _report(self, played: Played) -> None:
        self._send(PlayedUntil(self._call, played.item_id, played.audio_ms, played.ended))

    async def _close(self) -> None:
        self.end("The media process stops.")
        if self._overdue is not None:
            self._overdue.cancel()
        await self._flush()
        if self._connection is None:
            return
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._connection.close()
        except TimeoutError:
            logger.warning("call %d: the connection did not close", self._call)

    async def _flush(self) -> None:
        """Wait until the last events are sent, or `FLUSH_S` are over."""
        channel = self._channel
        if channel is None or channel.readyState != "open" or not channel.bufferedAmount:
            return
        flushed = asyncio.Event()
        channel.on("bufferedamountlow", flushed.set)
        try:
            async with asyncio.timeout(FLUSH_S):
                await flushed.wait()
        except TimeoutError:
            logger.info("call %d: the client did not receive the last events", self._call)
