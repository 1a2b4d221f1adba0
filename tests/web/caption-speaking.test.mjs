/** A speaker of captions: mute, pause, and what a server refuses. The browser and the server are named fakes. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { httpProblem } from "../../web/lib/problems.js";
import { Server } from "../../web/lib/server.js";
import { FakeWebSocket } from "./fake-browser.mjs";

globalThis.document = { addEventListener() {} };
globalThis.navigator = { userAgent: "" };
globalThis.location = { href: "http://server/captions/hall/speak", pathname: "/captions/hall/speak" };
const { Speaking } = await import("../../web/captions/speaking.js");
const { fromTab } = await import("../../web/captions/sources.js");
const { FileJob } = await import("../../web/captions/file-job.js");

class FakeServer {
  subprotocols = async () => ["realtime"];
  realtimeUrl = () => new URL("ws://server/v1/realtime");
  diagnose = async () => null;
}

/** A node of Web Audio that is connected to nothing. */
class FakeNode {
  gain = { value: 1 };
  connect(next) {
    return next;
  }
  disconnect() {}
}

/** The worklet that captures: a test is what it hears. */
class FakeWorklet extends FakeNode {
  static last;
  port = { postMessage() {} };
  constructor() {
    super();
    FakeWorklet.last = this;
  }
}
globalThis.AudioWorkletNode = FakeWorklet;

const context = { sampleRate: 24_000, createMediaStreamSource: () => new FakeNode(), createGain: () => new FakeNode() };
const stream = { getAudioTracks: () => [], getTracks: () => [] };
const captions = { room: "hall", title: "", speaker: "Ann", translate: null };
const LOUD = new Int16Array(480).fill(9000); // 20 ms

/** What is sent of audio: whether each block was silent. */
const audio = () =>
  FakeWebSocket.last.sent
    .filter(({ type }) => type === "input_audio_buffer.append")
    .map(({ audio }) => Buffer.from(audio, "base64").every((byte) => byte === 0));
const updates = () => FakeWebSocket.last.sent.filter(({ type }) => type === "session.update").map(({ session }) => session);

async function settled() {
  for (let task = 0; task < 20; task += 1) await new Promise((resolve) => setImmediate(resolve));
}

let speaking;
let levels;
let held;
let worklet;

async function begin(hearing = {}) {
  held = [];
  levels = [];
  const source = { stream, close() {}, hold: (isHeld) => held.push(isHeld), ended: new Promise(() => {}) };
  speaking = new Speaking({ context }, new FakeServer(), source, captions, { model: null, language: null, keywords: [], ...hearing });
  worklet = FakeWorklet.last;
  speaking.on("level", (level) => levels.push(level));
  const started = speaking.start();
  await settled();
  await started;
}

const say = (blocks) => {
  for (let block = 0; block < blocks; block += 1) worklet.port.onmessage({ data: LOUD });
};

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  FakeWebSocket.reset();
});
afterEach(() => mock.timers.reset());

test("who is muted sends silence, and shows no level", async () => {
  await begin();
  say(2);
  speaking.setMuted(true);
  say(2);
  speaking.setMuted(false);
  say(1);
  assert.deepEqual(audio(), [false, false, true, true, false]);
  assert.deepEqual(levels.map((level) => level > 0), [true, true, false, false, true]);
});

test("a pause is told to the room, ends the sentence, and then sends nothing", async () => {
  await begin();
  say(1);
  speaking.setPaused(true);
  say(100);
  assert.deepEqual(audio(), [false, ...Array(50).fill(true)], "a second of silence");
  assert.deepEqual(updates().at(-1).streamsrv.captions, { ...captions, paused: true });
  speaking.configure({ ...captions, title: "The keynote" });
  assert.equal(updates().at(-1).streamsrv.captions.paused, true, "a new title does not end the pause");
  speaking.setPaused(false);
  say(1);
  assert.equal(audio().at(-1), false);
  assert.equal("paused" in updates().at(-1).streamsrv.captions, false);
  assert.deepEqual(held, [true, false]);
});

const refuse = (param) => FakeWebSocket.last.receive({ type: "error", error: { code: "invalid_value", message: "No.", param } });

test("a recogniser that takes no vocabulary is used without it", async () => {
  await begin({ model: "one", keywords: ["streamsrv"] });
  const problems = [];
  speaking.on("problem", (problem) => problems.push(problem.message));
  refuse("session.audio.input.transcription.keywords");
  assert.deepEqual(updates().at(-1).audio.input.transcription, { model: "one", language: null, keywords: [] });
  assert.deepEqual(problems, ["The server can't use this vocabulary."]);
});

test("a recogniser that the server does not have is not asked for again", async () => {
  await begin({ model: "gone", keywords: ["streamsrv"] });
  refuse("session.audio.input.transcription.model");
  assert.deepEqual(updates().at(-1).audio.input.transcription, { model: null, language: null, keywords: ["streamsrv"] });
  const told = updates().length;
  refuse("session.audio.input.transcription.model");
  assert.equal(updates().length, told, "there is nothing more to leave out");
});

test("a browser that can share no sound is told so, not to share it once more", async () => {
  const stopped = [];
  const stream = { getAudioTracks: () => [], getTracks: () => [{ stop: () => stopped.push("picture") }] };
  const mediaDevices = { getDisplayMedia: async () => stream, getSupportedConstraints: () => ({ echoCancellation: true }) };
  globalThis.navigator.mediaDevices = mediaDevices;
  await assert.rejects(fromTab(), { code: "no_tab_audio" }); // as Firefox
  mediaDevices.getSupportedConstraints = () => ({ suppressLocalAudioPlayback: true });
  await assert.rejects(fromTab(), { code: "tab_silent" }); // as Chrome
  assert.deepEqual(stopped, ["picture", "picture"]);
});

test("no words of the protocol are shown to a speaker; they are for who looks closer", async () => {
  await begin();
  const problems = [];
  speaking.on("problem", (problem) => problems.push(problem));
  const error = { code: "boom", message: "boom: invalid value for 'session.x'", type: "server_error" };
  FakeWebSocket.last.receive({ type: "error", error });
  FakeWebSocket.last.receive({ type: "conversation.item.input_audio_transcription.failed", error });
  FakeWebSocket.last.receive({ type: "streamsrv.recognizer.failed", model: "one", error });
  FakeWebSocket.last.receive({ type: "error", error: { ...error, code: "caption_room_limit_reached", type: "invalid_request_error" } });
  assert.deepEqual(problems.map(({ message }) => message), [
    "The server has a problem.",
    "A sentence couldn't be recognised.",
    "The speech recogniser one couldn't be loaded.",
    "All caption rooms of this server are in use.",
  ]);
  assert.ok(problems.every(({ advice, detail }) => advice && !advice.includes("boom") && detail.includes("boom")));
});

for (const [what, answer, told] of [
  ["at once", () => Promise.reject(httpProblem(409, { code: "caption_file_in_progress", message: "raw" })), "Another file is being captioned in this room."],
  ["while it is captioned", () => Promise.resolve({ body: sent({ error: { code: null, message: "raw", type: "server_error" } }) }), "The server has a problem."],
]) {
  test(`a file that the server refuses ${what} is told in plain words`, async (context) => {
    context.mock.method(Server.prototype, "fetch", answer);
    const wish = { title: "", speaker: "", translate: null, model: null, language: null, keywords: [] };
    await assert.rejects(new FileJob("hall").run(new File(["x"], "x.wav"), wish), (problem) => {
      assert.deepEqual([problem.message, problem.detail], [told, "raw"]);
      return true;
    });
  });
}

function sent(event) {
  return new Blob([`data: ${JSON.stringify(event)}\n\n`]).stream();
}
