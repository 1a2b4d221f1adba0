"""What each provider of telephone calls says on its media stream, and what it accepts."""

from collections.abc import Callable, Mapping

from streamsrv.calling.peers.audiosocket import AudioSocketPeer
from streamsrv.calling.peers.base import Peer
from streamsrv.calling.peers.exotel import ExotelPeer
from streamsrv.calling.peers.plivo import PlivoPeer
from streamsrv.calling.peers.telnyx import TelnyxPeer
from streamsrv.calling.peers.twilio import TwilioPeer
from streamsrv.calling.peers.vonage import VonagePeer

PEERS: Mapping[str, Callable[..., Peer]] = {
    "twilio": TwilioPeer,
    "telnyx": TelnyxPeer,
    "plivo": PlivoPeer,
    "vonage": VonagePeer,
    "exotel": ExotelPeer,
    "audiosocket": AudioSocketPeer,
}
