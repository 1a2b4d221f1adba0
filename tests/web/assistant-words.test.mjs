import assert from "node:assert/strict";
import { test } from "node:test";

import { stateAnnouncement, stateWords } from "../../web/assistant/state-words.js";

/** What is announced on the way through these activities. */
function announced(activities, mode = "hands-free") {
  const words = activities.map((now, i) =>
    i === 0 ? "" : stateAnnouncement(activities[i - 1], now, mode, stateWords(now, mode, "server").text),
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
    assert.match(stateWords("paused", mode, "none").text, /type a message/);
    assert.doesNotMatch(stateWords("paused", mode, "server").text, /type a message/);
  }
});
