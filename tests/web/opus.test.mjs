import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { FakeAudioEncoder, FakeWebSocket, setWebCodecs } from "./fake-browser.mjs";

const { Connection } = await import("../../web/lib/connection.js");
const { OpusPlayer } = await import("../../web/lib/opus.js");
const { PlayedReply } = await import("../../web/lib/reply.js");

const server = {
  subprotocols: async () => ["realtime"],
  realtimeUrl: () => new URL("ws://server/v1/realtime"),
  diagnose: async () => null,
};

/** Whatever does not wait for a timer has happened. */
async function settled() {
  for (let task = 0; task < 20; task++) await new Promise((resolve) => setImmediate(resolve));
}

async function opened(t, options = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const connection = new Connection(server, {
    session: () => ({ type: "realtime" }),
    transports: ["websocket"],
    audioCodec: "opus",
    ...options,
  });
  const chosen = [];
  connection.on("transport", (transport) => chosen.push(transport));
  await connection.open();
  t.after(() => connection.close());
  return { connection, chosen };
}

/** What was sent after the session was there: types, and the bytes of audio. */
const sent = () =>
  FakeWebSocket.last.sent
    .filter(({ type }) => type !== "session.update")
    .map(({ type, audio }) => (audio === undefined ? type : [...Buffer.from(audio, "base64")]));
/** 20 ms. */
const block = (first) => new Int16Array(480).fill(first);

beforeEach(() => {
  FakeWebSocket.reset();
  setWebCodecs(true);
});

test("Opus is agreed on before the session is told what to be", async (t) => {
  const { chosen } = await opened(t);
  const [asked, told] = FakeWebSocket.last.sent;
  const format = { type: "audio/opus" };
  assert.deepEqual(asked.session, { type: "realtime", audio: { input: { format }, output: { format } } });
  assert.deepEqual(told.session, { type: "realtime" });
  assert.deepEqual([chosen[0].codec, chosen[0].reasons.filter((why) => /Opus/.test(why))], ["opus", []]);
});

test("without being asked for Opus nothing is said about it", async (t) => {
  const { connection, chosen } = await opened(t, { audioCodec: undefined });
  connection.appendAudio(block(1));
  assert.equal(chosen[0].codec, "pcm");
  assert.deepEqual(FakeWebSocket.last.sent[0], { type: "session.update", session: { type: "realtime" } });
  assert.equal(sent()[0].length, 960);
});

test("a server that does not know it gets PCM, and its words are the reason", async (t) => {
  FakeWebSocket.takesOpus = false;
  const { connection, chosen } = await opened(t);
  connection.appendAudio(block(1));
  assert.equal(chosen[0].codec, "pcm");
  assert.equal(chosen[0].reasons.at(-1), "Opus is not used: No audio/opus here.");
  assert.equal(sent()[0].length, 960);
});

test("a browser without WebCodecs sends PCM and says why", async (t) => {
  setWebCodecs(false);
  const { connection, chosen } = await opened(t);
  connection.appendAudio(block(1));
  assert.equal(chosen[0].reasons.at(-1), "Opus is not used: the browser has no WebCodecs.");
  assert.equal(sent()[0].length, 960);
});

test("each block is a packet of its own", async (t) => {
  const { connection } = await opened(t);
  for (const first of [7, 8, 9]) connection.appendAudio(block(first));
  await settled();
  assert.deepEqual(sent(), [[7], [8], [9]]);
});

test("a commit comes after what was said before it, and what follows the commit stays behind it", async (t) => {
  const { connection } = await opened(t);
  connection.appendAudio(block(1));
  connection.appendAudio(block(2));
  connection.send({ type: "input_audio_buffer.commit" });
  connection.send({ type: "response.create" });
  connection.appendAudio(block(3));
  await settled();
  assert.deepEqual(sent(), [[1], [2], "input_audio_buffer.commit", "response.create", [3]]);
});

test("what is not about the input does not wait for the encoder", async (t) => {
  const { connection } = await opened(t);
  connection.appendAudio(block(1));
  connection.send({ type: "response.cancel" });
  await settled();
  assert.deepEqual(sent(), ["response.cancel", [1]]);
});

test("an encoder that fails is replaced by PCM, over a new connection, with its reason", async (t) => {
  const { connection, chosen } = await opened(t);
  FakeAudioEncoder.last.fail("out of memory");
  assert.equal(connection.status, "reconnecting");
  connection.appendAudio(block(5));
  t.mock.timers.tick(1000);
  await settled();
  assert.equal(connection.status, "open");
  assert.deepEqual([chosen[1].codec, chosen[1].reasons.at(-1)], ["pcm", "Opus is not used: out of memory."]);
  assert.equal(sent()[0].length, 960);
});

/** Keeps what it is told, in order: `[item, number of samples, first sample]`, or `[item, "end"]`. */
class FakeSpeaker {
  told = [];
  latencyMs = 0;
  on() {}
  play(itemId, pcm) {
    this.told.push([itemId, pcm.length, ...pcm.slice(0, 1)]);
  }
  finish(itemId) {
    this.told.push([itemId, "end"]);
  }
  clear() {
    this.told.push(["clear"]);
  }
  close() {}
}

const PACKET = new Uint8Array(1);

test("an item is decoded, cut to its samples, and ends after its last one", async () => {
  const speaker = new FakeSpeaker();
  const player = new OpusPlayer(speaker, assert.fail);
  player.play("a", PACKET, { pre_skip: 156 });
  player.play("a", PACKET);
  player.play("a", PACKET, { end_trim: 100 });
  player.finish("a");
  await settled();
  assert.deepEqual(speaker.told, [["a", 324, 156], ["a", 480, 0], ["a", 380, 0], ["a", "end"]]);
});

test("items follow each other in the order in which they came", async () => {
  const speaker = new FakeSpeaker();
  const player = new OpusPlayer(speaker, assert.fail);
  player.play("a", PACKET);
  player.finish("a");
  player.play("b", PACKET);
  player.finish("b");
  await settled();
  assert.deepEqual(speaker.told, [["a", 480, 0], ["a", "end"], ["b", 480, 0], ["b", "end"]]);
});

test("an item that came as PCM ends at once", () => {
  const speaker = new FakeSpeaker();
  new OpusPlayer(speaker, assert.fail).finish("pcm");
  assert.deepEqual(speaker.told, [["pcm", "end"]]);
});

test("what is being decoded when all is dropped is never played, but its item was named", async () => {
  const speaker = new FakeSpeaker();
  const player = new OpusPlayer(speaker, assert.fail);
  player.play("a", PACKET);
  player.finish("a");
  player.clear();
  player.play("b", PACKET);
  await settled();
  assert.deepEqual(speaker.told, [["a", 0], ["b", 480, 0]]);
});

test("a reply is decoded by the format that its response began with", async () => {
  const speaker = new FakeSpeaker();
  const reply = new PlayedReply(speaker, () => {});
  const begin = (id, type) => ({ type: "response.created", response: { id, audio: { output: { format: { type } } } } });
  const delta = (id, data) => ({ type: "response.output_audio.delta", response_id: id, item_id: `of ${id}`, delta: data });
  reply.take(begin("r1", "audio/opus"));
  reply.take(delta("r1", Buffer.from(PACKET).toString("base64")));
  await settled();
  reply.take(begin("r2", "audio/pcm"));
  reply.take(delta("r2", Buffer.alloc(200).toString("base64")));
  assert.deepEqual(speaker.told, [["of r1", 480, 0], ["of r2", 100, 0]]);
});
