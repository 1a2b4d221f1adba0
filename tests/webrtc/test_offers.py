"""Offers as browsers and other WebRTC stacks make them are answered as RFC 3264 and RFC 9143 say, and connect."""

import pytest

from caller import request
from serving import serving
from shaped_caller import OFFERS, ShapedCaller, check_answer, sections
from streamsrv.media.offer import PAYLOAD_TYPES
from streamsrv.testing.fakes import fake_engines

LOOPBACK = {"webrtc_hosts": "127.0.0.1", "webrtc_processes": 1}


@pytest.fixture(scope="module")
def server():
    with serving(fake_engines(), **LOOPBACK) as running:
        yield running


async def connect(server, shape: str) -> None:
    caller = ShapedCaller(shape)
    try:
        reply = await caller.call(server)
        assert reply.status == 201, reply
        assert (await caller.next())["type"] == "session.created"
        caller.send("response.create")
        await caller.hears(sound=True, frames=3)
    finally:
        await caller.close()


@pytest.mark.parametrize("stack", OFFERS)
async def test_the_offer_of_a_stack_is_answered_and_connects(server, stack: str):
    await connect(server, OFFERS[stack].read_text())


VIDEO = "m=video 9 UDP/TLS/RTP/SAVPF 120 121\na=mid:v\na=recvonly\na=rtpmap:120 VP8/90000\na=rtpmap:121 VP9/90000\n"
SECOND_AUDIO = "m=audio 9 UDP/TLS/RTP/SAVPF 96\na=mid:a2\na=recvonly\na=rtcp-mux\na=rtpmap:96 opus/48000/2\n"
UNUSED = {
    "video": VIDEO,
    "video with port 0": VIDEO.replace("m=video 9", "m=video 0"),
    "video that is only bundled": VIDEO.replace("m=video 9", "m=video 0") + "a=bundle-only\n",
    "a second audio": SECOND_AUDIO,
    "audio with port 0": SECOND_AUDIO.replace("m=audio 9", "m=audio 0"),
    "audio without opus": "m=audio 9 UDP/TLS/RTP/SAVPF 0\na=mid:p\na=rtpmap:0 PCMU/8000\n",
    "text": "m=text 9 UDP/TLS/RTP/SAVPF 98\na=mid:t\na=rtpmap:98 t140/1000\n",
    "an image with port 0": "m=image 0 udptl t38\n",
    "a port with a count": "m=video 49170/2 RTP/AVP 31\n",
    "no data channels": "m=application 9 TCP/MRCPv2 1\na=channel:x\n",
    "rejected data channels": "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\na=mid:r\n",
    "an unknown kind": "m=hologram 9 NEW/proto x y z\na=mid:h\na=anything\n",
}
PLAIN = OFFERS["chromium"].read_text()


def plain_sections() -> tuple[str, str, str]:
    """The session, the audio and the application section of an offer with nothing else."""
    session, audio, _, application = ("\n".join(lines) + "\n" for lines in sections(PLAIN))
    return session, audio, application


@pytest.mark.parametrize("place", ["first", "between", "last"])
@pytest.mark.parametrize("unused", UNUSED)
async def test_a_section_that_is_not_used_is_answered_with_port_0(server, unused: str, place: str):
    session, audio, application = plain_sections()
    parts = [audio, application]
    at = ["first", "between", "last"].index(place)
    parts.insert(at, UNUSED[unused])
    mids = " ".join(line[6:] for part in parts for line in part.splitlines() if line.startswith("a=mid:"))
    session = session.replace("BUNDLE 0 1 2", f"BUNDLE {mids}")
    caller = ShapedCaller(session + "".join(parts))
    offer = await caller.shaped_offer()
    reply = await request(server, "POST", "/v1/realtime/calls", offer, {"Content-Type": "application/sdp"})
    assert reply.status == 201, reply
    check_answer(offer, reply.body.decode(), [index for index in range(3) if index != at])
    await request(server, "DELETE", reply.headers["location"])
    await caller.close()


MDNS = "a=candidate:1 1 udp 2113937151 7d0ef6cf-9a5c-44a8-b0a3-7f4e0f6b3f64.local 51472 typ host"


@pytest.mark.parametrize("candidates", ["", MDNS, "a=candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype active"])
@pytest.mark.parametrize("ended", ["neither", "audio", "application", "both"])
async def test_a_call_connects_whatever_candidates_the_client_has(server, candidates: str, ended: str):
    session, audio, application = plain_sections()
    audio = audio.replace("{candidates}", candidates)
    audio += "a=end-of-candidates\n" if ended in ("audio", "both") else ""
    application += "a=end-of-candidates\n" if ended in ("application", "both") else ""
    await connect(server, session + audio + application)


TRANSPORT = ("a=ice-ufrag", "a=ice-pwd", "a=ice-options", "a=fingerprint", "a=setup", "a=rtcp-mux", "a=rtcp:")


def without(text: str, *attributes: str) -> str:
    return "".join(line + "\n" for line in text.splitlines() if not line.startswith(attributes))


@pytest.mark.parametrize("order", ["audio first", "application first"])
@pytest.mark.parametrize("where", ["the first section", "the session"])
async def test_the_transport_may_be_described_once(server, where: str, order: str):
    session, audio, application = plain_sections()
    parts = [audio, application] if order == "audio first" else [application, audio]
    described = [line for line in audio.splitlines() if line.startswith(TRANSPORT[:5])]
    parts = [without(part, *TRANSPORT) for part in parts]
    if where == "the first section":
        parts[0] += "\n".join(described) + "\n"
        parts[1] = parts[1].replace(" 9 ", " 0 ", 1) + "a=bundle-only\n"
    else:
        session += "\n".join(described) + "\n"
    mids = "0 2" if order == "audio first" else "2 0"
    await connect(server, session.replace("BUNDLE 0 1 2", f"BUNDLE {mids}") + "".join(parts))


@pytest.mark.parametrize("payload_type", [9, 35, 63, 96, 127])
async def test_the_client_chooses_the_payload_type(server, payload_type: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("aiortc.rtp.DYNAMIC_PAYLOAD_TYPES", PAYLOAD_TYPES)  # aiortc is the client here, too
    session, audio, application = plain_sections()
    audio = without(audio, "a=rtpmap", "a=fmtp").replace("SAVPF 111 63 9 0 8 13 110 126", f"SAVPF 0 {payload_type}")
    audio += f"a=rtpmap:0 PCMU/8000\na=rtpmap:{payload_type} opus/48000/2\n"
    await connect(server, session + audio + application)


@pytest.mark.parametrize("has_mids", [True, False])
async def test_an_offer_without_a_group_gets_an_answer_without_one(server, has_mids: bool):
    session, audio, application = plain_sections()
    session = without(session, "a=group")
    application += "{application_candidates}\n"
    if not has_mids:
        audio, application = without(audio, "a=mid"), without(application, "a=mid")
    await connect(server, session + audio + application)


async def test_only_audio_without_mid_and_group_is_answered_likewise(server):
    session, audio, _ = plain_sections()
    caller = ShapedCaller(without(session, "a=group") + without(audio, "a=mid"))
    offer = await caller.shaped_offer()
    reply = await request(server, "POST", "/v1/realtime/calls", offer, {"Content-Type": "application/sdp"})
    assert reply.status == 201, reply
    check_answer(offer, reply.body.decode(), [0])
    await request(server, "DELETE", reply.headers["location"])
    await caller.close()


@pytest.mark.parametrize(
    ("break_it", "code", "named"),
    [
        (lambda sdp: sdp.replace("m=audio 9", "m=audio 0"), "no_audio", "'audio', 'video', 'application'"),
        (lambda sdp: sdp.replace("setup:actpass", "setup:holdconn"), "invalid_sdp", "a=setup:holdconn"),
        (lambda sdp: sdp.replace("sctp-port:5000", "sctp-port:70000"), "invalid_sdp", "'70000' of a=sctp-port"),
        (lambda sdp: sdp.replace("size:262144", "size:many"), "invalid_sdp", "'many' of a=max-message-size"),
        (lambda sdp: sdp.replace("a=fingerprint:sha-256", "a=fingerprint:md5"), "invalid_sdp", "a=fingerprint"),
        (lambda sdp: sdp.replace("a=mid:2", "a=mid:0"), "invalid_sdp", "the mid '0'"),
        (lambda sdp: sdp.replace("SAVPF 111 63", "SAVPF 63"), "unsupported_codec", "opus/48000/2"),
        (lambda sdp: sdp.replace("111", "73"), "unsupported_codec", "opus/48000/2"),
        (lambda sdp: sdp.replace("111", "200"), "unsupported_codec", "opus/48000/2"),
        (lambda sdp: sdp.replace("m=audio 9 UDP/TLS/RTP/SAVPF", "m=audio 9 SIP/x"), "unsupported_protocol", "'SIP/x'"),
        (
            lambda sdp: sdp.replace("BUNDLE 0 1 2", "BUNDLE 1 2").replace("a=rtcp-mux\n", "", 1),
            "invalid_sdp",
            "a=rtcp-mux",
        ),
    ],
)
async def test_what_an_offer_lacks_is_named(server, break_it, code: str, named: str):
    caller = ShapedCaller(break_it(PLAIN))
    reply = await caller.call(server)
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, code, "sdp")
    assert named in reply.error["message"]
    await caller.close()


async def test_without_an_address_to_offer_the_server_says_so():
    with serving(fake_engines(), webrtc_hosts="192.0.2.1", webrtc_processes=1) as server:
        caller = ShapedCaller(PLAIN)
        reply = await caller.call(server)
        assert (reply.status, reply.error["type"]) == (503, "server_error")
        assert "no network address" in reply.error["message"]
        await server.without_sessions()
        await caller.close()
