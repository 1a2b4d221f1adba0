"""Adds candidates of public addresses, under which NAT makes this machine's ports reachable, to an SDP answer. Pure."""

from aioice.candidate import Candidate, candidate_foundation, candidate_priority

_PREFIX = "a=candidate:"


def with_public_candidates(sdp: str, addresses: list[str]) -> str:
    """Follow each host candidate by one for each public address of its family, with the same port.

    Its type is server reflexive (RFC 8839, section 5.1), as if a STUN server had found the address.
    """
    lines: list[str] = []
    for line in sdp.splitlines():
        lines.append(line)
        if line.startswith(_PREFIX):
            candidate = Candidate.from_sdp(line.removeprefix(_PREFIX))
            if candidate.type == "host":
                lines += [_PREFIX + public.to_sdp() for public in _public(candidate, addresses)]
    return "\r\n".join(lines) + "\r\n"


def _public(host: Candidate, addresses: list[str]) -> list[Candidate]:
    of_its_family = [address for address in addresses if (":" in address) == (":" in host.host)]
    return [
        Candidate(
            foundation=candidate_foundation("srflx", "udp", f"{host.host}|{address}"),
            component=host.component,
            transport=host.transport,
            priority=candidate_priority(host.component, "srflx"),
            host=address,
            port=host.port,
            type="srflx",
            related_address=host.host,
            related_port=host.port,
        )
        for address in of_its_family
    ]
