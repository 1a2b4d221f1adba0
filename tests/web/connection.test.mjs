import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { FakeWebSocket } from "./fake-browser.mjs";

const { AudioBacklog } = await import("../../web/lib/audio-backlog.js");
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

test("every event on the wire is seen, in order, also those before the session is open", async () => {
  const seen = [];
  const watch = (side, event, text) => seen.push([side, event.type, JSON.parse(text).type === event.type]);
  const { connection } = await opened({ watch });
  connection.send({ type: "response.create" });
  FakeWebSocket.last.receive({ type: "response.created" });
  assert.deepEqual(seen, [
    ["server", "session.created", true],
    ["client", "session.update", true],
    ["server", "session.updated", true],
    ["client", "response.create", true],
    ["server", "response.created", true],
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
  for (let second = 0; second < 17; second++) connection.appendAudio(new Int16Array(24_000));
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

const said = (value) => new Int16Array(480).fill(value);
/** What was said over a connection: the first sample of each block. */
const heard = (socket) =>
  socket.sent.filter(({ type }) => type.endsWith(".append")).map(({ audio }) => Buffer.from(audio, "base64").readInt16LE());

test("what is said while connecting is sent, after the session is told what to be", async () => {
  const connection = new Connection(new FakeServer(), { session: () => ({ type: "realtime" }) });
  const opening = connection.open();
  connection.appendAudio(said(1));
  await opening;
  connection.appendAudio(said(2));
  assert.deepEqual(types(FakeWebSocket.last)[0], "session.update");
  assert.deepEqual(heard(FakeWebSocket.last), [1, 2]);
  connection.close();
});

test("what was said before the connection was begun is sent first", async () => {
  const backlog = new AudioBacklog();
  backlog.push(said(1));
  const connection = new Connection(new FakeServer(), { session: () => ({ type: "realtime" }) }, backlog);
  const opening = connection.open();
  connection.appendAudio(said(2));
  await opening;
  assert.deepEqual(heard(FakeWebSocket.last), [1, 2]);
  connection.close();
});

test("an utterance that was cut by a lost connection is sent again as a whole", async () => {
  const { connection, seen } = await opened();
  connection.appendAudio(said(1));
  FakeWebSocket.last.receive({ type: "input_audio_buffer.speech_started", item_id: "u" });
  connection.appendAudio(said(2));
  let heardAgain = false;
  connection.on("status", (status) => (heardAgain ||= status.heardAgain));
  FakeWebSocket.last.drop();
  connection.appendAudio(said(3));
  mock.timers.tick(1000);
  await settled();
  assert.deepEqual(heard(FakeWebSocket.last), [1, 2, 3]);
  assert.equal(heardAgain, true);
  assert.deepEqual(seen.statuses.slice(-2), ["reconnecting", "open"]);
  connection.close();
});

const EXPIRING = { type: "streamsrv.session.expiring", seconds_left: 60, expires_at: 0 };

/** Time passes, in steps in which timers and what they begin can follow each other. */
async function pass(ms) {
  for (let at = 0; at < ms; at += 100) {
    now += 100;
    mock.timers.tick(100);
    await settled();
  }
}

let now = 0;
beforeEach(() => mock.method(performance, "now", () => now));

test("a session that is about to end is replaced by the next one without a word to the user", async () => {
  const { connection, seen } = await opened();
  const first = FakeWebSocket.last;
  first.receive(EXPIRING);
  await pass(3000);
  assert.equal(FakeWebSocket.all.length, 2);
  assert.equal(first.readyState, 3, "the first is closed");
  connection.appendAudio(said(1));
  assert.deepEqual(heard(FakeWebSocket.last), [1]);
  assert.deepEqual([seen.statuses, seen.problems], [["connecting", "open"], []]);
  connection.close();
});

test("what is said while the next session is opened goes to the next session", async () => {
  const server = new FakeServer();
  const { connection } = await opened({}, server);
  const first = FakeWebSocket.last;
  server.subprotocols = async () => {
    connection.appendAudio(said(7));
    assert.equal(first.readyState, 1, "the first is open until then");
    return ["realtime"];
  };
  first.receive(EXPIRING);
  await pass(3000);
  assert.deepEqual([heard(first), heard(FakeWebSocket.last)], [[], [7]]);
  connection.close();
});

test("what a session hears while the next one is opened is not shown: the next one hears it, too", async () => {
  const server = new FakeServer();
  const { connection, seen } = await opened({}, server);
  const first = FakeWebSocket.last;
  server.subprotocols = async () => {
    first.receive({ type: "input_audio_buffer.speech_started", item_id: "u" });
    return ["realtime"];
  };
  first.receive(EXPIRING);
  await pass(3000);
  assert.deepEqual([FakeWebSocket.all.length, seen.events], [2, ["streamsrv.session.expiring"]]);
  connection.close();
});

test("a session that stays because there is no next one goes on with what it heard meanwhile", async () => {
  const server = new FakeServer();
  const { connection, seen } = await opened({}, server);
  const first = FakeWebSocket.last;
  server.subprotocols = async () => {
    first.receive({ type: "input_audio_buffer.speech_started", item_id: "u" });
    throw new Problem("unreachable", "No.");
  };
  first.receive(EXPIRING);
  await pass(1500);
  assert.deepEqual(seen.events, ["streamsrv.session.expiring", "input_audio_buffer.speech_started"]);
  assert.equal(connection.busy, true);
  connection.close();
});

test("a turn that has ended is not heard again by the session after the one that is lost", async () => {
  const { connection } = await opened();
  const first = FakeWebSocket.last;
  first.receive({ type: "input_audio_buffer.speech_started", item_id: "u" });
  connection.appendAudio(said(1));
  now += 300;
  first.receive({ type: "input_audio_buffer.committed", item_id: "u" });
  first.drop();
  await pass(1000);
  assert.deepEqual(heard(FakeWebSocket.last), []);
  connection.close();
});

test("a conversation that is not quiet is replaced at the last moment, and what is said is heard again", async () => {
  const { connection } = await opened({ quiet: () => false });
  FakeWebSocket.last.receive(EXPIRING);
  await pass(30_000);
  assert.equal(FakeWebSocket.all.length, 1);
  FakeWebSocket.last.receive({ type: "input_audio_buffer.speech_started", item_id: "u" });
  connection.appendAudio(said(1));
  const replaced = [];
  connection.on("replacing", ({ heardAgain }) => replaced.push(heardAgain));
  await pass(25_000);
  assert.deepEqual([FakeWebSocket.all.length, replaced, heard(FakeWebSocket.last)], [2, [true], [1]]);
  connection.close();
});

test("captions that are not quiet are split: the old session writes down what it has heard", async () => {
  const { connection } = await opened({ splits: true });
  const first = FakeWebSocket.last;
  first.receive(EXPIRING);
  first.receive({ type: "input_audio_buffer.speech_started", item_id: "u" });
  connection.appendAudio(said(1));
  await pass(55_000);
  const next = FakeWebSocket.last;
  connection.appendAudio(said(2));
  assert.deepEqual([types(first).filter((type) => type.endsWith(".commit")).length, heard(next)], [1, [2]]);
  assert.equal(first.readyState, 1, "until it is written down");
  first.receive({ type: "input_audio_buffer.committed", item_id: "u" });
  first.receive({ type: "conversation.item.input_audio_transcription.completed", item_id: "u", transcript: "" });
  assert.equal(first.readyState, 3);
  connection.close();
});

test("a next session that cannot be opened leaves the one there is in use", async () => {
  const { connection, seen } = await opened();
  const first = FakeWebSocket.last;
  FakeWebSocket.reachable = false;
  first.receive(EXPIRING);
  await pass(1500);
  connection.appendAudio(said(1));
  assert.deepEqual([heard(first), seen.statuses], [[1], ["connecting", "open"]]);
  FakeWebSocket.reachable = true;
  await pass(4000);
  connection.appendAudio(said(2));
  assert.deepEqual(heard(FakeWebSocket.last), [2]);
  assert.notEqual(FakeWebSocket.last, first);
  connection.close();
});

test("on a server with one place the session ends before the next begins", async () => {
  const server = new FakeServer();
  const { connection, seen } = await opened({}, server);
  const first = FakeWebSocket.last;
  server.subprotocols = async () => {
    if (first.readyState === 1) throw new Problem("server_full", "All sessions are in use.");
    return ["realtime"];
  };
  first.receive(EXPIRING);
  await pass(3000);
  connection.appendAudio(said(1));
  assert.deepEqual([heard(FakeWebSocket.last), seen.statuses, seen.problems], [[1], ["connecting", "open"], []]);
  connection.close();
});

test("a session that has ended is followed by the next at once", async () => {
  const { connection, seen } = await opened();
  FakeWebSocket.last.receive({ type: "error", error: { code: "session_expired", message: "60 minutes." } });
  FakeWebSocket.last.onclose({ code: 1001, reason: "session_expired" });
  await settled();
  assert.equal(FakeWebSocket.all.length, 2);
  assert.deepEqual([seen.statuses, seen.problems, seen.events], [["connecting", "open"], [], []]);
  connection.close();
});
