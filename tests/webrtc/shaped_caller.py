"""A caller that connects with the offer of another WebRTC stack: the template's shape, and aiortc's own transport."""

import re
from pathlib import Path
from typing import Any

from aiortc import RTCSessionDescription

from caller import Caller, Reply, request
from serving import RunningServer

OFFERS = {path.stem: path for path in sorted((Path(__file__).parent / "offers").glob("*.sdp"))}


def sections(sdp: str) -> list[list[str]]:
    """The lines of the session, then those of each media section."""
    parts: list[list[str]] = [[]]
    for line in sdp.splitlines():
        if line.startswith("m="):
            parts.append([])
        parts[-1].append(line)
    return parts


def values(lines: list[str], attribute: str) -> list[str]:
    prefix = f"a={attribute}:"
    return [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]


def bundled(lines: list[str]) -> list[str]:
    """The mids of the BUNDLE group."""
    return [mid for group in values(lines, "group") if group.startswith("BUNDLE") for mid in group.split()[1:]]


def check_answer(offer: str, answer: str, used: list[int]) -> None:
    """Whether an answer is one to the offer, by RFC 3264 (section 6) and RFC 9143 (section 7.3)."""
    (offer_session, *offered), (answer_session, *answered) = sections(offer), sections(answer)
    assert len(answered) == len(offered)
    for index, (theirs, ours) in enumerate(zip(offered, answered, strict=True)):
        kind, _, protocol, *formats = theirs[0].split()
        our_kind, port, our_protocol, *our_formats = ours[0].split()
        assert (our_kind, our_protocol) == (kind, protocol)
        assert our_formats, "a section has a format even if it is rejected"
        assert set(our_formats) <= set(formats)
        assert values(ours, "mid") == values(theirs, "mid")
        assert "a=bundle-only" not in ours
        if index not in used:
            assert port == "0"
            assert not values(ours, "candidate")
            continue
        assert port != "0"
        assert values(ours, "candidate"), "the server's candidates are in the answer"
        assert len(values(ours, "ice-ufrag")) == len(values(ours, "ice-pwd")) == 1
        assert values(ours, "setup")[0] in ("active", "passive")
    accepted = [mid for index in used for mid in values(offered[index], "mid")]
    assert bundled(answer_session) == [mid for mid in bundled(offer_session) if mid in accepted]
    assert bool(bundled(offer_session)) == any(line.startswith("a=group:BUNDLE") for line in answer_session)


class ShapedCaller(Caller):
    """`shape`: an SDP offer in which `{ufrag}`, `{password}`, `{fingerprint}` and `{candidates}` are the caller's own.

    Without a BUNDLE group there are two transports, and `{application_candidates}` are those of the second one.
    """

    def __init__(self, shape: str) -> None:
        super().__init__()
        self._shape = shape
        self.answer = ""

    async def shaped_offer(self) -> str:
        own = await self.offer()
        _, audio, application = sections(own)
        lines = "\n".join(f"a=candidate:{candidate}" for candidate in values(audio, "candidate"))
        others = "\n".join(f"a=candidate:{candidate}" for candidate in values(application, "candidate"))
        text = self._shape.format(
            ufrag=values(audio, "ice-ufrag")[0],
            password=values(audio, "ice-pwd")[0],
            fingerprint=values(audio, "fingerprint")[0].split()[1],
            candidates=lines,
            application_candidates=others,
        )
        return text.replace("\n", "\r\n")

    async def call(self, server: RunningServer, session: dict[str, Any] | None = None) -> Reply:
        """Post the shaped offer; take the answer in, if there is one with a data channel."""
        offer = await self.shaped_offer()
        reply = await request(server, "POST", "/v1/realtime/calls", offer, {"Content-Type": "application/sdp"})
        if reply.status == 201:
            self.answer = reply.body.decode()
            self.call_path = reply.headers["location"]
            used = [part for part in sections(self.answer)[1:] if part[0].split()[1] != "0"]
            check_answer(offer, self.answer, [sections(self.answer)[1:].index(part) for part in used])
            await self.connection.setRemoteDescription(RTCSessionDescription(self._for_aiortc(used), "answer"))
        return reply

    def _for_aiortc(self, used: list[list[str]]) -> str:
        """The answer to what aiortc would have offered: audio, then data channels, with its own mids."""
        session = [line for line in sections(self.answer)[0] if not line.startswith("a=group:")]
        if bundled(sections(self.answer)[0]):
            session.append("a=group:BUNDLE 0 1")
        lines = []
        for mid, part in enumerate(sorted(used, key=lambda part: part[0].startswith("m=application"))):
            first = re.sub(r" RTP/SAVPF ", " UDP/TLS/RTP/SAVPF ", part[0])
            lines += [first, *(line for line in part[1:] if not line.startswith("a=mid:")), f"a=mid:{mid}"]
        return "\r\n".join(session + lines) + "\r\n"
