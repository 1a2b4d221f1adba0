"""SIP addresses, and what the stack's trace of messages tells that its events do not. Pure."""

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

MAX_KNOWN = 1024
"""INVITEs that are remembered until their calls are reported."""
_RECEIVED = re.compile(r"RX (?:UDP|TCP|TLS) (?P<source>\S+) -> \S+\s+INVITE (?P<called>\S+) SIP/2\.0\r?\n")
_CALL_ID = re.compile(r"^(?:Call-ID|i)\s*:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_OFFERS_G722 = re.compile(r"^m=audio \d+ \S+(?: \d+)*? 9(?: |\r?$)", re.MULTILINE)
"""G.722 has the payload type 9 everywhere (RFC 3551)."""
_PORT = re.compile(r":\d+$")


@dataclass(frozen=True, slots=True)
class Invite:
    """Where an INVITE came from, as an IP address, and the address that it calls."""

    source: str
    called: str
    offers_g722: bool = False


class Invites:
    """The INVITEs that were received lately, by Call-ID. The first one of a call counts."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Invite] = OrderedDict()

    def __contains__(self, call_id: str) -> bool:
        return call_id in self._known

    def read(self, trace: str) -> None:
        """Take one message from the stack's trace."""
        received = _RECEIVED.match(trace)
        call_id = _CALL_ID.search(trace, received.end()) if received else None
        if received is None or call_id is None or call_id[1] in self._known:
            return
        source = _PORT.sub("", received["source"]).strip("[]")
        self._known[call_id[1]] = Invite(source, received["called"], _OFFERS_G722.search(trace) is not None)
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def take(self, call_id: str) -> Invite | None:
        """Return what is known of a call; None: nothing."""
        return self._known.pop(call_id, None)


def is_among(address: str, networks: Sequence[str]) -> bool:
    """Whether an IP address is in one of the networks."""
    try:
        source = ip_address(address)
    except ValueError:
        return False
    return any(source in ip_network(network, strict=False) for network in networks)


def address_of(header: str) -> str:
    """Return the SIP address in a From or To header, without name and parameters."""
    inside = re.search(r"<([^<>]*)>[^<>\"]*$", header)
    return (inside[1] if inside else header).partition(";")[0].strip()


def host_of(address: str) -> str:
    """Return host and port of a SIP address."""
    rest = address.partition(":")[2] or address
    return rest.rpartition("@")[2].partition(";")[0].partition("?")[0]


def address_to_refer(destination: str, host: str) -> str:
    """Return the SIP address of a number, `tel:` or `sip:` URI; numbers are at `host`."""
    if destination.lower().startswith(("sip:", "sips:")):
        return destination
    number = destination.removeprefix("tel:").partition(";")[0]
    return f"sip:{number}@{host}"
