"""SIP addresses, and what is read in the stack's trace of messages."""

import pytest

from streamsrv.sip.addresses import (
    MAX_KNOWN,
    Invite,
    Invites,
    address_of,
    address_to_refer,
    host_of,
    is_among,
)


def trace(call_id: str, source: str = "192.0.2.7:5060", media: str = "0 101", transport: str = "UDP") -> str:
    return (
        f"RX {transport} {source} -> 192.0.2.1:5060\nINVITE sip:+4930123@192.0.2.1 SIP/2.0\r\n"
        f"From: <sip:a@b>;tag=1\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\nm=audio 9 RTP/AVP {media}\r\n"
    )


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
def test_an_invite_tells_its_source_and_whom_it_calls(transport: str) -> None:
    invites = Invites()
    invites.read(trace("one", transport=transport))
    invites.read(trace("six", "[2001:db8::7]:5060"))
    assert "one" in invites
    assert invites.take("one") == Invite("192.0.2.7", "sip:+4930123@192.0.2.1")
    assert invites.take("six") == Invite("2001:db8::7", "sip:+4930123@192.0.2.1")
    assert invites.take("one") is None


@pytest.mark.parametrize(("media", "offers"), [("9", True), ("0 9 101", True), ("0 8", False), ("99 19", False)])
def test_an_offer_of_wide_audio_is_seen(media: str, offers: bool) -> None:
    invites = Invites()
    invites.read(trace("one", media=media))
    found = invites.take("one")
    assert found is not None
    assert found.offers_g722 is offers


def test_what_is_sent_and_later_invites_of_a_call_do_not_count() -> None:
    invites = Invites()
    invites.read(trace("one").replace("RX", "TX", 1))
    assert "one" not in invites
    invites.read(trace("one"))
    invites.read(trace("one", "198.51.100.1:5060"))
    found = invites.take("one")
    assert found is not None
    assert found.source == "192.0.2.7"


def test_only_the_latest_invites_are_remembered() -> None:
    invites = Invites()
    for number in range(MAX_KNOWN + 1):
        invites.read(trace(f"call-{number}"))
    assert "call-0" not in invites
    assert f"call-{MAX_KNOWN}" in invites


@pytest.mark.parametrize(
    ("address", "networks", "expected"),
    [
        ("127.0.0.1", ["127.0.0.0/8"], True),
        ("10.1.2.3", ["192.0.2.0/24", "10.1.2.3"], True),
        ("10.1.2.4", ["192.0.2.0/24", "10.1.2.3"], False),
        ("::1", ["127.0.0.0/8"], False),
        ("::1", ["::1"], True),
        ("nonsense", ["0.0.0.0/0"], False),
    ],
)
def test_peers_are_addresses_and_networks(address: str, networks: list[str], expected: bool) -> None:
    assert is_among(address, networks) is expected


def test_headers_and_addresses_are_taken_apart() -> None:
    assert address_of('"A <x>" <sip:a@b;transport=udp>;tag=1') == "sip:a@b"
    assert address_of("<sip:a@b:5070;transport=udp>;tag=1") == "sip:a@b:5070"
    assert address_of("sip:a@b;tag=1") == "sip:a@b"
    assert host_of("sip:a@b:5070;transport=udp") == "b:5070"
    assert host_of("sip:b") == "b"


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        ("+4930123", "sip:+4930123@pbx:5070"),
        ("tel:+4930123", "sip:+4930123@pbx:5070"),
        ("sip:desk@example.org", "sip:desk@example.org"),
        ("sips:desk@example.org", "sips:desk@example.org"),
    ],
)
def test_numbers_are_referred_to_at_the_peer(destination: str, expected: str) -> None:
    assert address_to_refer(destination, "pbx:5070") == expected
