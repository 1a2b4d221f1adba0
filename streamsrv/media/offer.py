"""Chooses the sections of an SDP offer that a call uses, and rewrites the offer for aiortc. Pure.

A call uses one audio section with Opus and at most one section of data channels. Other sections get port 0 in the
answer (RFC 3264, section 6). aiortc refuses what it does not support, so it gets an offer of only the used sections,
each with everything that it inherits from its BUNDLE group (RFC 9143) or from the session.
"""

import re
from dataclasses import dataclass

from streamsrv.media.session_description import Description, InvalidDescription, Section, parse
from streamsrv.media.transport_attributes import FINGERPRINTS, SETUPS, TransportAttributes, transport_of

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
DEFAULT_SCTP_PORT = 5000
DEFAULT_MAX_EVENT_BYTES = 65_536
"""Longest message that a client accepts if its offer gives no limit (RFC 8841, section 6.1)."""
_SRTP = re.compile(r"(UDP/TLS/|TCP/TLS/|TCP/DTLS/)?(RTP/SAVPF?|RTP/AVPF?)")
_SCTP = re.compile(r"(UDP/|TCP/)?DTLS/SCTP")
PAYLOAD_TYPES = frozenset({*range(64), *range(96, 128)})
"""Payload types that cannot be mistaken for RTCP when both share a port (RFC 5761, section 4)."""
_OPUS = re.compile(r"(\d{1,3}) opus/48000(/2)?", re.IGNORECASE)
_EXTENSION = re.compile(r"(\d+)(?:/\w+)? (\S+)(?: .*)?")
_SOURCE = re.compile(r"\d+ cname:.+")
_MID_EXTENSION = "urn:ietf:params:rtp-hdrext:sdes:mid"


class OfferRefused(Exception):
    """The offer is refused; the message is for the client. `is_full`: there is no room for it now."""

    def __init__(self, code: str, text: str, *, is_full: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.is_full = is_full


@dataclass(frozen=True, slots=True)
class ReadOffer:
    """An offer and its used sections: `audio` and `application` are their indices."""

    description: Description
    audio: int
    application: int | None
    max_event_bytes: int
    """Longest message that the client accepts on a data channel; 0: any length, or no data channels."""

    @property
    def used(self) -> list[int]:
        """Indices of the used sections, in the order of the offer."""
        return sorted(index for index in (self.audio, self.application) if index is not None)

    @property
    def is_bundled(self) -> bool:
        """Whether all used sections share one transport."""
        return len(self.used) == 1 or any(
            all(self.description.sections[index].mid in group for index in self.used)
            for group in self.description.groups("BUNDLE")
        )

    def mid(self, index: int) -> str:
        """Return the mid of a section, or a generated one if the offer has none."""
        return self.description.sections[index].mid or f"section-{index}"

    def groups(self) -> list[list[str]]:
        """Return the BUNDLE groups of the offer without the unused sections, for the answer."""
        used = [self.description.sections[index].mid for index in self.used]
        groups = [[mid for mid in group if mid in used] for group in self.description.groups("BUNDLE")]
        return [group for group in groups if group]

    def for_aiortc(self) -> str:
        """Return the offer for aiortc. Raises `OfferRefused` if something is missing."""
        lines = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0"]
        if self.description.session.has("ice-lite"):
            lines.append("a=ice-lite")
        if self.application is not None and self.is_bundled:
            # Audio first, whatever the order of the offer: aiortc closes the transport of the others.
            lines.append(f"a=group:BUNDLE {self.mid(self.audio)} {self.mid(self.application)}")
        for index in self.used:
            transport = transport_of(self.description, index, self.used)
            _check(transport, self.description.sections[index])
            media = self._audio_lines() if index == self.audio else self._application_lines(index)
            lines += [*media, f"a=mid:{self.mid(index)}", *transport.lines()]
        return "\r\n".join(lines) + "\r\n"

    def _audio_lines(self) -> list[str]:
        section = self.description.sections[self.audio]
        extensions = [match.groups() for value in section.values("extmap") if (match := _EXTENSION.fullmatch(value))]
        if section.mid is None:
            extensions = [(number, uri) for number, uri in extensions if uri != _MID_EXTENSION]
        sources = [value for value in section.values("ssrc") if _SOURCE.fullmatch(value)]
        payload_type = opus_payload_type(section)
        return [
            f"m=audio 9 UDP/TLS/RTP/SAVPF {payload_type}",
            "c=IN IP4 0.0.0.0",
            f"a={direction(self.description, section)}",
            "a=rtcp-mux",
            f"a=rtpmap:{payload_type} opus/48000/2",
            *(f"a=extmap:{number} {uri}" for number, uri in extensions),
            *(f"a=ssrc:{value}" for value in sources),
        ]

    def _application_lines(self, index: int) -> list[str]:
        section = self.description.sections[index]
        if section.protocol == "DTLS/SCTP" and section.formats != "webrtc-datachannel":  # the form before RFC 8841
            lines = [f"m=application 9 DTLS/SCTP {section.formats}"]
            lines += [f"a=sctpmap:{value}" for value in section.values("sctpmap")]
        else:
            lines = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel"]
            lines.append(f"a=sctp-port:{_number(section, 'sctp-port', DEFAULT_SCTP_PORT, 65_535)}")
        return [*lines, "c=IN IP4 0.0.0.0", f"a=max-message-size:{self.max_event_bytes}"]


def read_offer(sdp: str) -> ReadOffer:
    """Read an offer with an Opus audio section and optional data channels. Raises `OfferRefused`."""
    try:
        description = parse(sdp)
    except InvalidDescription as error:
        raise OfferRefused("invalid_sdp", f"The SDP offer cannot be read: {error}.") from None
    audio = _choose_audio(description)
    application = next(
        (n for n, section in enumerate(description.sections) if _is_offered(description, n) and _has_channels(section)),
        None,
    )
    max_event_bytes = 0
    if application is not None:
        section = description.sections[application]
        max_event_bytes = _number(section, "max-message-size", DEFAULT_MAX_EVENT_BYTES, 2**63 - 1)
        if section.mid is not None and section.mid == description.sections[audio].mid:
            raise OfferRefused("invalid_sdp", f"Two sections of the SDP offer have the mid '{section.mid}'.")
    return ReadOffer(description, audio, application, max_event_bytes)


def direction(description: Description, section: Section) -> str:
    """Return the direction of a section as the client sees it."""
    for part in (section, description.session):
        if found := next((name for name in DIRECTIONS if part.has(name)), None):
            return found
    return "sendrecv"


def opus_payload_type(section: Section) -> str | None:
    """Return the payload type of Opus that the client prefers in an audio section; None without Opus."""
    found = {match.group(1) for value in section.values("rtpmap") if (match := _OPUS.fullmatch(value))}
    return next(
        (number for number in section.formats.split() if number in found and int(number) in PAYLOAD_TYPES), None
    )


def _choose_audio(description: Description) -> int:
    """Return the index of the Opus section with the most directions, the first of equal ones. Raises `OfferRefused`."""
    sections = list(enumerate(description.sections))
    audio = [n for n, section in sections if section.kind == "audio" and _is_offered(description, n)]
    if not audio:
        found = ", ".join(f"'{section.kind}'" for _, section in sections) or "no section at all"
        raise OfferRefused("no_audio", f"The SDP offer has no audio section (m=audio) in use; it has {found}.")
    usable = [n for n in audio if opus_payload_type(description.sections[n]) is not None]
    if not usable:
        codecs = [v.partition(" ")[2] for n in audio for v in description.sections[n].values("rtpmap")]
        offered = ", ".join(codecs) or "none"
        text = f"The SDP offer has the audio codecs {offered}; accepted is opus/48000/2."
        raise OfferRefused("unsupported_codec", text)
    secure = [n for n in usable if _SRTP.fullmatch(description.sections[n].protocol)]
    if not secure:
        protocol = description.sections[usable[0]].protocol
        text = f"The audio section of the SDP offer has the protocol '{protocol}'; accepted is UDP/TLS/RTP/SAVPF."
        raise OfferRefused("unsupported_protocol", text)
    return min(secure, key=lambda n: DIRECTIONS.index(direction(description, description.sections[n])))


def _is_offered(description: Description, index: int) -> bool:
    """Return whether a section is in use: port 0 rejects it, except with a=bundle-only."""
    section = description.sections[index]
    if section.port:
        return True
    return section.has("bundle-only") and any(section.mid in group for group in description.groups("BUNDLE"))


def _has_channels(section: Section) -> bool:
    if section.kind != "application" or _SCTP.fullmatch(section.protocol) is None:
        return False
    is_numbered = section.protocol == "DTLS/SCTP" and section.formats.isdigit() and int(section.formats) < 2**16
    return is_numbered or "webrtc-datachannel" in section.formats.split()


def _number(section: Section, attribute: str, default: int, maximum: int) -> int:
    value = section.value(attribute)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) <= 20 and int(value) <= maximum):
        text = f"Invalid value '{value[:100]}' of a={attribute} in the '{section.kind}' section of the SDP offer: "
        raise OfferRefused("invalid_sdp", f"{text}a number up to {maximum} is accepted.")
    return int(value)


def _check(transport: TransportAttributes, section: Section) -> None:
    name = f"The '{section.kind}' section of the SDP offer"
    if not (transport.username and transport.password):
        text = f"{name} has no a=ice-ufrag and a=ice-pwd, nor has its BUNDLE group or the session."
        raise OfferRefused("invalid_sdp", text)
    if not transport.fingerprints:
        accepted = ", ".join(FINGERPRINTS)
        text = f"{name} has no a=fingerprint (DTLS) of {accepted}, nor has its BUNDLE group or the session."
        raise OfferRefused("invalid_sdp", text)
    if not transport.has_known_setup:
        text = f"{name} has a=setup:{transport.setup[:100]}; accepted are {', '.join(SETUPS)}."
        raise OfferRefused("invalid_sdp", text)
    if section.kind == "audio" and not transport.has_rtcp_mux:
        raise OfferRefused("invalid_sdp", f"{name} has no a=rtcp-mux; RTCP on a port of its own is not supported.")
