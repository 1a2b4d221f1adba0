"""Checks an SDP offer before a connection is made for it: what is wrong with it is said in words."""

from aiortc.sdp import SessionDescription


class OfferRefused(Exception):
    """The offer cannot be answered; the text is for the client."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def check_offer(sdp: str) -> SessionDescription:
    """Parse an offer of one audio section with Opus, and perhaps one of data channels. Raises `OfferRefused`."""
    try:
        offer = SessionDescription.parse(sdp)
    except Exception as error:  # the parser answers nonsense with whatever it stumbles over
        raise OfferRefused("invalid_sdp", f"The SDP offer cannot be read ({type(error).__name__}: {error}).") from None
    kinds = [media.kind for media in offer.media]
    audio = [media for media in offer.media if media.kind == "audio"]
    if not audio:
        found = ", ".join(f"'{kind}'" for kind in kinds) or "no section at all"
        raise OfferRefused("no_audio", f"The SDP offer has no audio section (m=audio); it has {found}.")
    if len(audio) > 1 or kinds.count("application") > 1 or set(kinds) - {"audio", "application"}:
        sections = ", ".join(f"'{kind}'" for kind in kinds)
        text = f"The SDP offer has the sections {sections}; accepted are one 'audio' and one 'application'."
        raise OfferRefused("unsupported_media", text)
    codecs = [codec.name for codec in audio[0].rtp.codecs]
    if "opus" not in [name.lower() for name in codecs]:
        offered = ", ".join(codecs) or "none"
        raise OfferRefused("unsupported_codec", f"The SDP offer has the audio codecs {offered}; accepted is opus.")
    for media in offer.media:
        if media.ice is None or not (media.ice.usernameFragment and media.ice.password):
            raise OfferRefused("invalid_sdp", f"The '{media.kind}' section has no a=ice-ufrag and a=ice-pwd.")
        if media.dtls is None or not media.dtls.fingerprints:
            raise OfferRefused("invalid_sdp", f"The '{media.kind}' section has no a=fingerprint (DTLS).")
    return offer
