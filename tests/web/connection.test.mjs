import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { FakeWebSocket } from "./fake-browser.mjs";

const { Connection } = await import("../../web/lib/connection.js");
const { Problem, unreachable } = await import("../../web/lib/problems.js");

/** A server by what `diagnose` finds. */
class FakeServer {
  subprotocols = async () => ["realtime"];
  realtimeUrl = () => new URL("ws://server/v1/realtime");
  constructor(diagnosis = null) {
    this.diagnosis = diagnosis;
  }
  diagnose = async () => this.diagnosis;
}

/** Whatever does not wait for a timer has happened. */
async function settled() {
  for (let task = 0; task < 10; task++) await new Promise((resolve) => setImmediate(resolve));
}

async function opened(options = {}, server = new FakeServer()) {
  const connection = new Connection(server, { session: () => ({ type: "realtime" }), ...options });
  const seen = { statuses: [], problems: [], transports: [], events: [] };
  connection.on("status", ({ status }) => seen.statuses.push(status));
  connection.on("problem", ({ code }) => seen.problems.push(code));
  connection.on("transport", (transport) => seen.transports.push(transport));
  connection.on("event", ({ type }) => seen.events.push(type));
  await connection.open();
  return { connection, seen };
}

const types = (socket) => socket.sent.map(({ type }) => type);

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  FakeWebSocket.reset();
});

test("a session is told what to be before it is open", async () => {
  const { connection, seen } = await opened();
  assert.deepEqual(FakeWebSocket.last.sent, [{ type: "session.update", session: { type: "realtime" } }]);
  assert.deepEqual(seen.statuses, ["connecting", "open"]);
  connection.close();
});

test("a browser without WebRTC says why WebSocket is used", async () => {
  const { connection, seen } = await opened();
  assert.deepEqual(seen.transports, [
    { name: "websocket", codec: "pcm", reasons: ["WebRTC is not used: the browser does not have it."] },
  ]);
  connection.close();
});

test("a lost connection is opened again, with the same session and what was said before", async () => {
  const said = { type: "conversation.item.create", item: { id: "u" } };
  const { connection, seen } = await opened({ replay: () => [said] });
  FakeWebSocket.last.drop();
  mock.timers.tick(1000);
  await settled();
  assert.equal(FakeWebSocket.all.length, 2);
  assert.deepEqual(types(FakeWebSocket.last), ["session.update", "conversation.item.create"]);
  assert.deepEqual(seen.statuses.slice(-2), ["reconnecting", "open"]);
  connection.close();
});

test("what is said while the connection is down is sent when it is back", async () => {
  const { connection } = await opened();
  FakeWebSocket.last.drop();
  connection.appendAudio(new Int16Array([1, 2]));
  mock.timers.tick(1000);
  await settled();
  assert.deepEqual(types(FakeWebSocket.last), ["session.update", "input_audio_buffer.append"]);
  connection.close();
});

test("audio that is lost in a long outage is told once", async () => {
  const { connection, seen } = await opened();
  FakeWebSocket.reachable = false;
  FakeWebSocket.last.drop();
  for (let second = 0; second < 15; second++) connection.appendAudio(new Int16Array(24_000));
  assert.deepEqual(seen.problems, ["audio_lost"]);
  connection.close();
});

test("a server that stays away is given up in the end", async () => {
  const { connection, seen } = await opened({}, new FakeServer(unreachable()));
  FakeWebSocket.reachable = false;
  FakeWebSocket.last.drop();
  for (let attempt = 0; attempt < 40 && connection.status !== "closed"; attempt++) {
    mock.timers.tick(20_000);
    await settled();
  }
  assert.equal(connection.status, "closed");
  assert.deepEqual(seen.problems, ["gave_up"]);
});

test("a key that is refused is not tried again", async () => {
  const server = new FakeServer();
  const { connection, seen } = await opened({}, server);
  server.subprotocols = async () => {
    throw new Problem("key_required", "No.");
  };
  FakeWebSocket.last.drop();
  mock.timers.tick(1000);
  await settled();
  assert.deepEqual([connection.status, seen.problems], ["closed", ["key_required"]]);
});

test("why a connection was refused is found out", async () => {
  FakeWebSocket.reachable = false;
  const full = new Problem("server_full", "All sessions are in use.");
  await assert.rejects(opened({}, new FakeServer(full)), full);
});

test("a closed connection stays closed", async () => {
  const { connection } = await opened();
  connection.close();
  mock.timers.tick(60_000);
  await settled();
  assert.equal(FakeWebSocket.all.length, 1);
});

test("what a session says after it is set up reaches the listener", async () => {
  const { connection, seen } = await opened();
  FakeWebSocket.last.receive({ type: "response.created" });
  assert.deepEqual(seen.events, ["response.created"]);
  connection.close();
});
