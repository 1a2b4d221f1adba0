"""Offers of Chromium with sections that the server does not use are answered, and connect."""

import pytest

from pages import Pages
from server_process import ServerProcess

CALL = """async ([bundlePolicy, kinds]) => {
  const connection = new RTCPeerConnection({ bundlePolicy });
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  let channel;
  for (const kind of kinds) {
    if (kind === "microphone") connection.addTrack(stream.getAudioTracks()[0], stream);
    else if (kind === "data") channel = connection.createDataChannel("oai-events");
    else connection.addTransceiver(kind, { direction: "recvonly" });
  }
  const created = new Promise((resolve) => { channel.onmessage = ({ data }) => resolve(JSON.parse(data).type); });
  await connection.setLocalDescription();
  const headers = { "Content-Type": "application/sdp" };
  const offer = { method: "POST", headers, body: connection.localDescription.sdp };
  const reply = await fetch("/v1/realtime/calls", offer);
  if (!reply.ok) return await reply.text();
  await connection.setRemoteDescription({ type: "answer", sdp: await reply.text() });
  const type = await created;
  connection.close();
  for (const track of stream.getTracks()) track.stop();
  return type;
}"""


POLICIES = ("balanced", "max-compat", "max-bundle")
KINDS = (
    ("microphone", "video", "data"),
    ("video", "microphone", "data"),
    ("microphone", "audio", "data"),
    ("data", "microphone"),
)
OFFERS = [
    (policy, kinds)
    for policy in POLICIES
    for kinds in KINDS
    if not (policy == "max-bundle" and kinds[0] == "video")  # Chromium cannot have its first section rejected
]
SOME = [("balanced", KINDS[0]), ("max-compat", KINDS[1]), ("max-bundle", KINDS[2]), ("balanced", KINDS[3])]


@pytest.mark.parametrize("offers", [SOME, pytest.param(OFFERS, marks=pytest.mark.slow)], ids=["some", "all"])
def test_offers_with_more_than_is_used_connect(
    server: ServerProcess, pages: Pages, offers: list[tuple[str, tuple[str, ...]]]
) -> None:
    pages.allow("favicon.ico")
    page = pages.open(server.url + "/healthz")
    assert {offer: page.evaluate(CALL, offer) for offer in offers} == dict.fromkeys(offers, "session.created")
