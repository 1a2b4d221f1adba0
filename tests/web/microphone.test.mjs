import assert from "node:assert/strict";
import { test } from "node:test";

import "./fake-browser.mjs";

const { SpeechInput } = await import("../../web/lib/speech-input.js");
const { VoiceInput } = await import("../../web/lib/voice-input.js");
const { Problem } = await import("../../web/lib/problems.js");
const { Emitter } = await import("../../web/lib/emitter.js");

/** A browser whose microphone fails. @returns {{asked: number}} how often the page asked for it */
function microphoneFails(name) {
  const requests = { asked: 0 };
  const getUserMedia = async () => {
    requests.asked += 1;
    throw new DOMException("no", name);
  };
  Object.defineProperty(globalThis, "navigator", { value: { mediaDevices: { getUserMedia } }, configurable: true });
  return requests;
}

/** Whatever does not wait for a timer has happened, and every promise that was left alone is reported. */
async function settled() {
  for (let task = 0; task < 10; task++) await new Promise((resolve) => setImmediate(resolve));
}

const blockedSound = { unlocked: false, unlock: () => new Promise(() => {}) };
const broken = { unlocked: false, unlock: () => Promise.reject(new Problem("no_audio_worklet", "No.")) };

for (const [sound, audio] of Object.entries({ "waits for a tap": blockedSound, "does not work": broken })) {
  test(`a microphone that fails while sound ${sound} is told in plain words`, async () => {
    microphoneFails("NotAllowedError");
    const input = new VoiceInput(audio);
    const problems = [];
    input.on("problem", ({ message }) => problems.push(message));
    void input.open("");
    await settled();
    assert.deepEqual(problems, ["Microphone access is blocked."]);
  });
}

function speechInput() {
  const link = { appendAudio() {}, replaceStream: async () => {}, dropTurn() {} };
  const browser = Object.assign(new Emitter(), { hear() {} });
  const options = { mode: "hands-free", deviceId: "", browserRecognition: "denied" };
  const circumstances = () => ({ active: true, recognition: "server", echoes: false, options });
  return new SpeechInput(circumstances, { unlocked: true, unlock: async () => {} }, link, browser, { learn() {} });
}

test("a microphone that was refused is asked for again only when the user asks to be heard", async () => {
  const requests = microphoneFails("NotAllowedError");
  const speech = speechInput();
  const problems = [];
  speech.on("problem", ({ code }) => problems.push(code));
  speech.want(true);
  await speech.listen();
  await speech.listen(); // the connection is there
  assert.deepEqual([requests.asked, problems], [1, ["microphone_denied"]]);
  speech.forgive();
  await speech.listen();
  assert.deepEqual([requests.asked, problems], [2, ["microphone_denied", "microphone_denied"]]);
});
