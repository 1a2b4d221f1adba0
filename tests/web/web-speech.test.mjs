import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { FakeSpeechRecognition, fakeSpeech } from "./fake-browser.mjs";

const { BrowserRecognizer } = await import("../../web/lib/browser-recognizer.js");
const { BrowserVoice } = await import("../../web/lib/browser-voice.js");

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  FakeSpeechRecognition.all = [];
  fakeSpeech.spoken = [];
  fakeSpeech.cancelled = 0;
});

function recognizer() {
  const started = new BrowserRecognizer(() => "en-US");
  const seen = { partial: [], final: [], problem: [] };
  started.on("partial", (text) => seen.partial.push(text));
  started.on("final", (text) => seen.final.push(text));
  started.on("problem", ({ code }) => seen.problem.push(code));
  started.start();
  return { started, seen };
}

test("what is heard comes as it is certain or not", () => {
  const { seen } = recognizer();
  FakeSpeechRecognition.last.hear("is the", false);
  FakeSpeechRecognition.last.hear("Is the door open?", true);
  assert.deepEqual([seen.partial, seen.final], [["is the"], ["Is the door open?"]]);
});

test("an error ends it, although no end ever comes", () => {
  const { seen } = recognizer();
  FakeSpeechRecognition.last.onerror({ error: "language-not-supported" });
  assert.deepEqual(seen.problem, ["recognition_language"]);
  assert.ok(FakeSpeechRecognition.last.aborted);
});

test("a recogniser that never starts is given up", () => {
  const { seen } = recognizer();
  mock.timers.tick(10_000);
  assert.deepEqual(seen.problem, ["recognition_failed"]);
});

test("browsers end it at a pause, and it goes on", () => {
  const { started } = recognizer();
  FakeSpeechRecognition.last.onstart();
  FakeSpeechRecognition.last.onend();
  mock.timers.tick(1000);
  assert.equal(FakeSpeechRecognition.all.length, 2);
  started.stop();
});

test("a recogniser that only ever ends is given up", () => {
  const { seen } = recognizer();
  for (let i = 0; i < 20 && seen.problem.length === 0; i++) {
    FakeSpeechRecognition.last.onend?.();
    mock.timers.tick(1000);
  }
  assert.deepEqual(seen.problem, ["recognition_failed"]);
});

test("nothing is heard after it was stopped", () => {
  const { started, seen } = recognizer();
  started.stop();
  FakeSpeechRecognition.last.hear("late", true);
  mock.timers.tick(60_000);
  assert.deepEqual([seen.final, seen.problem, FakeSpeechRecognition.all.length], [[], [], 1]);
});

function voice() {
  const speaking = new BrowserVoice(() => ({ language: "en-US", speed: 1.5, volume: 0.5 }));
  const seen = { speaking: [], drained: [], cut: [], problem: [] };
  for (const type of Object.keys(seen)) speaking.on(type, (detail) => seen[type].push(detail));
  return { speaking, seen };
}

const texts = () => fakeSpeech.spoken.map(({ text }) => text);

test("streamed text is spoken sentence by sentence", () => {
  const { speaking } = voice();
  speaking.feed("a", "One. Two. Th");
  assert.deepEqual(texts(), ["One."]);
  fakeSpeech.spoken[0].onstart();
  fakeSpeech.spoken[0].onend();
  assert.deepEqual(texts(), ["One.", "Two."]);
});

test("the browser's voice has the pace and the volume that the user chose", () => {
  voice().speaking.feed("a", "One. Two. Th");
  assert.deepEqual([fakeSpeech.spoken[0].rate, fakeSpeech.spoken[0].volume], [1.5, 0.5]);
});

test("a reply has been spoken when its last sentence has", () => {
  const { speaking, seen } = voice();
  speaking.feed("a", "One.");
  speaking.finish("a");
  fakeSpeech.spoken[0].onstart();
  assert.deepEqual(seen.drained, []);
  fakeSpeech.spoken[0].onend();
  assert.deepEqual([seen.drained, seen.speaking], [["a"], [true, false]]);
});

test("an utterance whose end is lost does not hold up the next", () => {
  const { speaking } = voice();
  speaking.feed("a", "One. Two. ");
  fakeSpeech.spoken[0].onstart();
  mock.timers.tick(10_000);
  assert.deepEqual(texts(), ["One.", "Two."]);
});

test("a voice that never starts is given up, and the reply is not called interrupted", () => {
  const { speaking, seen } = voice();
  speaking.feed("a", "One. Two. ");
  mock.timers.tick(10_000);
  assert.deepEqual([seen.problem.map(({ code }) => code), seen.cut, seen.drained], [["voice_failed"], [], ["a"]]);
});

test("a voice that is stopped is silent at once, and what waited is dropped", () => {
  const { speaking, seen } = voice();
  speaking.feed("a", "One. Two. ");
  fakeSpeech.spoken[0].onstart();
  speaking.cancel();
  mock.timers.tick(60_000);
  assert.deepEqual([texts(), seen.cut, fakeSpeech.cancelled], [["One."], ["a"], 1]);
});
