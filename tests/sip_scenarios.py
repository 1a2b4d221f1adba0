"""Scenarios of sipp: what a caller sends to the server, and what it expects of it."""

from pathlib import Path

_SDP = (
    "v=0\no=caller 1 1 IN IP4 [local_ip]\ns=-\nc=IN IP4 [media_ip]\nt=0 0\nm=audio [media_port] RTP/AVP 0 101\n"
    "a=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000\na={direction}\n"
)
_HEAD = (
    "{method} {uri} SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\nMax-Forwards: 70\n"
    "From: <sip:caller@[local_ip]:[local_port]>;tag=[pid]a[call_number]\n"
    "To: <sip:[service]@[remote_ip]:[remote_port]>{to}\nCall-ID: [call_id]\nCSeq: {number} {method}\n"
    "Contact: <sip:caller@[local_ip]:[local_port];transport=[transport]>\n{headers}Content-Length: [len]\n\n{body}"
)
_REPLY = (
    "SIP/2.0 {status}\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n"
    "Contact: <sip:caller@[local_ip]:[local_port]>\n{headers}Content-Length: 0\n\n"
)
_RING = '<recv response="100" optional="true"/><recv response="180" optional="true"/>'


def write_scenario(path: Path, *steps: str) -> Path:
    """Write a scenario for `sipp -sf`."""
    path.write_text(f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<scenario name="test">{"".join(steps)}</scenario>\n')
    return path


def pause(ms: int) -> str:
    return f'<pause milliseconds="{ms}"/>'


def _send(text: str, *, again: bool = True) -> str:
    return f"<send{' retrans=' + chr(34) + '500' + chr(34) if again else ''}><![CDATA[\n{text}\n]]></send>"


def _request(method: str, number: int, headers: str = "", body: str = "") -> str:
    is_new = method == "INVITE" and number == 1
    uri = "sip:[service]@[remote_ip]:[remote_port]" if is_new else "[next_url]"
    to = "" if is_new else "[peer_tag_param]"
    text = _HEAD.format(method=method, uri=uri, to=to, number=number, headers=headers, body=body)
    return _send(text, again=method != "ACK")


def invite(number: int = 1, direction: str = "sendrecv") -> str:
    """Call, and wait until the call is answered; `number` above 1: change the session of the call (re-INVITE)."""
    offered = _request("INVITE", number, "Content-Type: application/sdp\n", _SDP.format(direction=direction))
    return offered + _RING + '<recv response="200" rrs="true"/>' + _request("ACK", number)


def refused(status: int) -> str:
    """Call, and expect this status."""
    offered = _request("INVITE", 1, "Content-Type: application/sdp\n", _SDP.format(direction="sendrecv"))
    return offered + _RING + f'<recv response="{status}"/>' + _request("ACK", 1)


def info(key: str, number: int) -> str:
    """Press a key, told by SIP INFO."""
    body = f"Signal={key}\nDuration=160\n"
    return _request("INFO", number, "Content-Type: application/dtmf-relay\n", body) + '<recv response="200"/>'


def refer(number: int, status: int) -> str:
    """Ask the server to call somebody else, and expect this status."""
    return _request("REFER", number, "Refer-To: <sip:elsewhere@[local_ip]:9>\n") + f'<recv response="{status}"/>'


def bye(number: int) -> str:
    return _request("BYE", number) + '<recv response="200"/>'


def _check(pattern: str, where: str) -> str:
    return f'<action><ereg regexp="{pattern}" {where} check_it="true" assign_to="1"/></action>'


_USED = '<nop><action><log message="[$1]"/></action></nop>'
"""Sipp wants each variable to be used."""


def _receive(method: str, check: str, status: str) -> str:
    reply = _send(_REPLY.format(status=status, headers=""), again=False)
    return f'<recv request="{method}">{check}</recv>{_USED if check else ""}{reply}'


def expect(method: str, status: str = "200 OK", *, header: str = "") -> str:
    """Expect a request of the server, with a header that matches `Name: pattern`, and answer it."""
    name, _, pattern = header.partition(": ")
    return _receive(method, _check(pattern, f'search_in="hdr" header="{name}:"') if header else "", status)


def expect_outcome(status: str) -> str:
    """Expect the outcome of a REFER to the server."""
    return _receive("NOTIFY", _check(f"SIP/2.0 {status}", 'search_in="body"'), "200 OK")


def notify(number: int, status: str) -> str:
    """Tell the outcome of a REFER of the server."""
    headers = "Event: refer\nSubscription-State: terminated;reason=noresource\nContent-Type: message/sipfrag\n"
    return _request("NOTIFY", number, headers, f"SIP/2.0 {status}\n") + '<recv response="200"/>'


def speak(recording: Path) -> str:
    """Send a file of mu-law as RTP, again and again."""
    return f'<nop><action><exec rtp_stream="{recording},-1,0"/></action></nop>'


def registrar(user: str, password: str) -> tuple[str, ...]:
    """The steps of a registrar that challenges one registration with a digest, and accepts the right answer only."""
    challenge = 'WWW-Authenticate: Digest realm="here", nonce="47ebe028cda119c35d4877b383027d28", algorithm=MD5\n'
    verify = f'<verifyauth assign_to="1" username="{user}" password="{password}"/>'
    return (
        '<recv request="REGISTER"/>',
        _send(_REPLY.format(status="401 Unauthorized", headers=challenge), again=False),
        f'<recv request="REGISTER"><action>{verify}</action></recv>',
        '<nop test="1" next="right"/>',
        _send(_REPLY.format(status="403 Forbidden", headers=""), again=False),
        '<nop next="end"/>',
        '<label id="right"/>',
        _send(_REPLY.format(status="200 OK", headers="[last_Contact:]\nExpires: 300\n"), again=False),
        '<label id="end"/>',
    )
