"""Reads the transport of a section of an SDP offer, with what it inherits from BUNDLE group and session. Pure."""

import ipaddress
import re
from dataclasses import dataclass

from streamsrv.media.session_description import Description, Section

MAX_CANDIDATES = 64
"""Most candidates that are used; each costs connectivity checks to an address that the client chose."""
SETUPS = ("actpass", "active", "passive")
DEFAULT_SETUP = "active"
"""Value of a=setup in an offer that has none (RFC 4145, section 4)."""
_CANDIDATE = re.compile(
    r"[\w+/=.:-]{1,64} 1 udp (\d{1,10}) (\S+) (\d{1,5}) typ (?:host|srflx|prflx|relay)(?: .*)?", re.IGNORECASE
)
FINGERPRINTS = ("sha-256", "sha-384", "sha-512")
_FINGERPRINT = re.compile(rf"(?:{'|'.join(FINGERPRINTS)}) [0-9A-F:]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TransportAttributes:
    """The ICE and DTLS attributes of one transport."""

    username: str | None
    password: str | None
    fingerprints: tuple[str, ...]
    setup: str
    candidates: tuple[str, ...]
    has_rtcp_mux: bool

    @property
    def has_known_setup(self) -> bool:
        return self.setup in SETUPS

    def lines(self) -> list[str]:
        """Return the lines of a section, without a=end-of-candidates, because the client's checks may reveal more."""
        return [
            f"a=ice-ufrag:{self.username}",
            f"a=ice-pwd:{self.password}",
            *(f"a=fingerprint:{fingerprint}" for fingerprint in self.fingerprints),
            f"a=setup:{self.setup}",
            *(f"a=candidate:{candidate}" for candidate in self.candidates),
        ]


def transport_of(description: Description, index: int, used: list[int]) -> TransportAttributes:
    """Return the transport of a section.

    Only one section of a BUNDLE group needs to describe the transport (RFC 9143, section 7.1.3). Takes the first that
    does, with used sections before unused ones. Missing attributes come from the session.
    """
    section = description.sections[index]
    group = next((group for group in description.groups("BUNDLE") if section.mid in group), None)
    members = [section] if group is None else _members(description, group, used)
    source = next((member for member in members if member.value("ice-ufrag")), members[0])
    username = source.value("ice-ufrag")
    order = [source, *members]
    described = [part for part in [*order, description.session] if part.values("fingerprint")]
    fingerprints = described[0].values("fingerprint") if described else []
    return TransportAttributes(
        username=username or description.session.value("ice-ufrag"),
        password=source.value("ice-pwd") or description.session.value("ice-pwd"),
        fingerprints=tuple(fingerprint for fingerprint in fingerprints if _FINGERPRINT.fullmatch(fingerprint)),
        setup=next(filter(None, (part.value("setup") for part in [*order, description.session])), DEFAULT_SETUP),
        candidates=_candidates([m for m in members if m.value("ice-ufrag") in (None, username)]),
        has_rtcp_mux=group is not None or section.has("rtcp-mux"),
    )


def _members(description: Description, group: list[str], used: list[int]) -> list[Section]:
    """Return the sections of a BUNDLE group: the used ones, then the others, each in the order of the group."""
    members = [n for n, section in enumerate(description.sections) if section.mid in group]
    members.sort(key=lambda n: (n not in used, group.index(description.sections[n].mid or "")))
    return [description.sections[n] for n in members]


def _candidates(sections: list[Section]) -> tuple[str, ...]:
    """Return the usable candidates, each once. Others are ignored as RFC 8839, section 5.1 says."""
    found: dict[str, str] = {}
    for candidate in (value for section in sections for value in section.values("candidate")):
        match = _CANDIDATE.fullmatch(candidate)
        if match and int(match[1]) < 2**32 and 0 < int(match[3]) < 2**16 and _is_usable(match[2]):
            found.setdefault(f"{match[2]} {match[3]}", candidate)
    return tuple(list(found.values())[:MAX_CANDIDATES])


def _is_usable(host: str) -> bool:
    if host.endswith(".local"):  # an mDNS name, with which a browser hides its address
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
