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
  return type;
}"""


@pytest.mark.parametrize("policy", ["balanced", "max-compat", "max-bundle"])
@pytest.mark.parametrize(
    "kinds",
    [
        ["microphone", "video", "data"],
        ["video", "microphone", "data"],
        ["microphone", "audio", "data"],
        ["data", "microphone"],
    ],
    ids=" ".join,
)
def test_an_offer_with_more_than_is_used_connects(
    server: ServerProcess, pages: Pages, policy: str, kinds: list[str]
) -> None:
    if policy == "max-bundle" and kinds[0] == "video":
        pytest.skip("Chromium cannot have the first section of a max-bundle offer rejected")
    pages.allow("favicon.ico")
    page = pages.open(server.url + "/healthz")
    assert page.evaluate(CALL, [policy, kinds]) == "session.created"
