import { FakeWebSocket } from "./fake-browser.mjs";

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Dialer } from "../../web/lib/dialer.js";

/** A peer connection whose data channel never opens. */
class FakePeerConnection {
  iceGatheringState = "complete";
  connectionState = "connecting";
  localDescription = { sdp: "v=0" };
  addTransceiver() {}
  createDataChannel() {
    return { readyState: "connecting" };
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
