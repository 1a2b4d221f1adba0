import assert from "node:assert/strict";
import { test } from "node:test";

import { stateAnnouncement, stateWords } from "../../web/assistant/state-words.js";

/** @type {{recognition: "server", transport: "webrtc"}} */
const CONNECTED = { recognition: "server", transport: "webrtc" };

/** What is announced on the way through these activities. */
function announced(activities, mode = "hands-free") {
  const words = activities.map((now, i) =>
    i === 0 ? "" : stateAnnouncement(activities[i - 1], now, mode, stateWords(now, mode, CONNECTED, true).text),
  );
  return words.filter(Boolean);
}

test("a screen reader is told when to speak, and nothing about turns and replies that are heard", () => {
  const talk = ["idle", "connecting", "listening", "hearing", "thinking", "speaking", "held", "speaking", "listening"];
  assert.deepEqual(announced(talk), ["Connecting…", "Connected. Listening"]);
});

test("a screen reader is told that the microphone was switched off and on, and that the conversation ended", () => {
  assert.deepEqual(announced(["listening", "paused", "listening", "idle"]), [
    "Microphone off – tap to talk, or type",
    "Listening",
    "Not connected",
  ]);
});

test("a lost connection is told by its notice, and its return by a word", () => {
  assert.deepEqual(announced(["listening", "reconnecting", "connecting", "listening"]), ["Connecting…", "Connected. Listening"]);
});

test("nothing is said into the microphone while the button is held", () => {
  assert.deepEqual(announced(["paused", "hearing", "thinking", "speaking", "paused", "listening", "paused"], "push-to-talk"), []);
});

test("without speech recognition the page asks for typing, also where the button would be held", () => {
  for (const mode of ["hands-free", "push-to-talk"]) {
    assert.match(stateWords("paused", mode, { ...CONNECTED, recognition: "none" }, false).text, /type a message/);
    assert.doesNotMatch(stateWords("paused", mode, CONNECTED, false).text, /type a message/);
  }
});

test("who only types is not told to talk over a reply, and the button does not unmute what cannot hear", () => {
  assert.equal(stateWords("speaking", "hands-free", CONNECTED, false).text, "Speaking – tap to interrupt");
  assert.equal(stateWords("speaking", "hands-free", CONNECTED, true).text, "Speaking – talk or tap to interrupt");
  assert.equal(stateWords("paused", "hands-free", { ...CONNECTED, recognition: "none" }, false).label, "Start talking");
});

test("without a server and without recognition there is nothing but another try", () => {
  const { label, text } = stateWords("paused", "hands-free", { recognition: "none", transport: "none" }, false);
  assert.deepEqual([label, text], ["Try to connect now", "Not connected – tap to try again"]);
});
