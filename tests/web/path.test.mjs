import assert from "node:assert/strict";
import { test } from "node:test";

import { PathFinder } from "../../web/lib/path-finder.js";
import { choosePath } from "../../web/lib/path.js";

const server = {
  recognizer: "moonshine-tiny",
  synthesizer: { name: "hibari", voices: ["default"] },
  chat: { default: "m", models: ["m"] },
  transports: ["websocket", "webrtc"],
};
const best = { server, transport: "webrtc", browserHears: true, browserSpeaks: true };

test("the best path needs no reason", () => {
  assert.deepEqual(choosePath(best), {
    transport: "webrtc",
    connection: "WebRTC",
    recognition: "server",
    voice: "server",
    summary: "WebRTC",
    reasons: [],
  });
});

test("a worse transport says why", () => {
  const path = choosePath({ ...best, transport: "websocket", transportReasons: ["WebRTC is not used: blocked."] });
  assert.deepEqual([path.transport, path.reasons], ["websocket", ["WebRTC is not used: blocked."]]);
});

test("Opus over WebSocket is named", () => {
  const path = choosePath({ ...best, transport: "websocket", codec: "opus" });
  assert.deepEqual([path.connection, path.summary], ["WebSocket with Opus", "WebSocket with Opus"]);
  assert.equal(choosePath({ ...best, transport: "webrtc", codec: "opus" }).summary, "WebRTC");
});

test("a server that offers no WebRTC is the reason that it is not used", () => {
  const path = choosePath({ ...best, transport: "websocket", server: { ...server, transports: ["websocket"] } });
  assert.deepEqual(path.reasons, ["WebRTC is not used: the server does not offer it."]);
});

test("without a recogniser on the server the browser speech recognition", () => {
  const path = choosePath({ ...best, server: { ...server, recognizer: null } });
  assert.deepEqual([path.recognition, path.summary], ["browser", "WebRTC, browser speech recognition"]);
  assert.match(path.reasons[0], /no speech recogniser/);
});

test("without any recogniser one can type", () => {
  const path = choosePath({ ...best, server: { ...server, recognizer: null }, browserHears: false });
  assert.deepEqual([path.recognition, path.summary], ["none", "WebRTC, text input only"]);
});

test("a browser that may not recognise speech says that it could", () => {
  const path = choosePath({ ...best, server: { ...server, recognizer: null }, browserHears: false, browserCouldHear: true });
  assert.equal(path.recognition, "none");
  assert.match(path.reasons[0], /unless you let the browser/);
});

test("without a voice on the server the browser voice", () => {
  const path = choosePath({ ...best, server: { ...server, synthesizer: null } });
  assert.deepEqual([path.voice, path.summary], ["browser", "WebRTC, browser voice"]);
});

test("without any voice replies are shown", () => {
  assert.equal(choosePath({ ...best, server: { ...server, synthesizer: null }, browserSpeaks: false }).voice, "none");
});

test("a recogniser that fails is replaced, with its reason", () => {
  const path = choosePath({ ...best, hearingFailed: "The server's recogniser failed (overloaded)" });
  assert.equal(path.recognition, "browser");
  assert.match(path.reasons[0], /overloaded/);
});

test("without a server the browser writes captions, and says that nothing answers", () => {
  const path = choosePath({ ...best, server: null });
  assert.deepEqual([path.transport, path.recognition, path.voice], ["none", "browser", "none"]);
  assert.match(path.reasons[0], /nothing answers/);
});

test("without a server and without recognition nothing works, and it says so", () => {
  assert.equal(choosePath({ ...best, server: null, browserHears: false }).summary, "Not connected");
});

/** @param {PathFinder} finder */
const RECOGNISED = { type: "conversation.item.input_audio_transcription.completed" };
const FAILED = { type: "conversation.item.input_audio_transcription.failed", error: { message: "down." } };
const failTwice = (finder) => [finder.take(FAILED), finder.take(FAILED)];

test("one failed recognition changes nothing, two in a row do", () => {
  const finder = new PathFinder(best);
  assert.deepEqual(failTwice(finder), [false, true]);
  assert.equal(finder.path.recognition, "browser");
});

test("a recognition that works forgives one that failed", () => {
  const finder = new PathFinder(best);
  finder.take(FAILED);
  finder.take(RECOGNISED);
  assert.equal(finder.take(FAILED), false);
});
