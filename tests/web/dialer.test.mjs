import { FakeWebSocket } from "./fake-browser.mjs";

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Dialer } from "../../web/lib/dialer.js";
import { WebRtcTransport } from "../../web/lib/webrtc-transport.js";

/** A peer connection whose data channel never opens, unless `opens`. */
class FakePeerConnection {
  static opens = false;
  iceGatheringState = "complete";
  connectionState = "connecting";
  localDescription = { sdp: "v=0" };
  addTransceiver() {}
  createDataChannel() {
    return (FakePeerConnection.channel = { readyState: FakePeerConnection.opens ? "open" : "connecting" });
  }
  async setLocalDescription() {}
  async setRemoteDescription() {}
  getSenders() {
    return [];
  }
  close() {}
}

const server = {
  fetch: async () => ({ headers: new Headers(), text: async () => "v=0" }),
  realtimeUrl: () => "ws://127.0.0.1/v1/realtime",
  subprotocols: async () => ["realtime"],
  diagnose: async () => null,
};

/** @param {("webrtc" | "websocket")[]} transports */
function dial(transports) {
  const dialer = new Dialer(server, { transports, session: () => ({}) });
  const result = { settled: "", close() {} };
  dialer.dial(new AbortController().signal).then(
    ({ name, transport }) => {
      result.settled = name;
      result.close = () => transport.close();
    },
    (problem) => (result.settled = problem.code),
  );
  return result;
}

/** Lets what is due now happen. */
async function settle() {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

beforeEach(() => {
  FakeWebSocket.reset();
  globalThis.RTCPeerConnection = FakePeerConnection;
  globalThis.Audio = class {};
  mock.timers.enable({ apis: ["setTimeout"] });
});
afterEach(() => {
  mock.timers.reset();
  delete globalThis.RTCPeerConnection;
});

test("a media path that is not found in 6 s is given up for the WebSocket", async () => {
  const dialled = dial(["webrtc", "websocket"]);
  await settle();
  mock.timers.tick(6000);
  await settle();
  FakeWebSocket.last?.receive({ type: "session.created" });
  await settle();
  assert.equal(dialled.settled, "websocket");
  dialled.close();
});

test("a media path is waited for longer where no other transport can be tried", async () => {
  const dialled = dial(["webrtc"]);
  await settle();
  mock.timers.tick(19_000);
  await settle();
  assert.equal(dialled.settled, "");
  mock.timers.tick(1000);
  await settle();
  assert.equal(dialled.settled, "webrtc_failed");
});

for (const [who, endedBefore, asked] of [
  ["the page", false, ["DELETE v1/realtime/calls/rtc_1"]],
  ["the server", true, []],
]) {
  test(`a call that ${who} ends is ${asked.length ? "" : "not "}ended with a request`, async () => {
    FakePeerConnection.opens = true;
    const requests = [];
    const calls = {
      fetch: async (path, { method }) => {
        requests.push(`${method} ${path}`);
        return { headers: new Headers({ Location: "/v1/realtime/calls/rtc_1" }), text: async () => "v=0" };
      },
    };
    const call = new WebRtcTransport(calls, {}, null);
    await call.connect();
    FakePeerConnection.opens = false;
    requests.length = 0;
    if (endedBefore) FakePeerConnection.channel.onclose();
    call.close();
    await settle();
    assert.deepEqual(requests, asked);
  });
}
