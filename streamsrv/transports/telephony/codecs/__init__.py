"""The codecs of the providers that stream calls over WebSockets, by the provider's name in the path. Pure."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from streamsrv.transports.telephony.codec import MediaCodec
from streamsrv.transports.telephony.codecs.exotel import ExotelCodec
from streamsrv.transports.telephony.codecs.plivo import PlivoCodec
from streamsrv.transports.telephony.codecs.telnyx import TelnyxCodec
from streamsrv.transports.telephony.codecs.twilio import TwilioCodec
from streamsrv.transports.telephony.codecs.vonage import VonageCodec

CODECS: Mapping[str, Callable[[], MediaCodec]] = MappingProxyType(
    {
        "twilio": TwilioCodec,
        "telnyx": TelnyxCodec,
        "plivo": PlivoCodec,
        "vonage": VonageCodec,
        "exotel": ExotelCodec,
    }
)
