import assert from "node:assert/strict";
import { test } from "node:test";

import { modelsUsed, placed, sentOnTo } from "../../web/lib/whereabouts.js";

const server = {
  recognizer: "moonshine",
  recognizers: [{ name: "moonshine", languages: [], detects_language: false, lacks: null }, { name: "deepgram", languages: [], detects_language: true, lacks: null }, { name: "whisper", languages: [], detects_language: true, lacks: "its weights" }],
  chat: { default: "auto", models: ["auto", "smollm2"] },
  synthesizer: { name: "kokoro", voices: ["heart"] },
  synthesizers: [{ name: "kokoro", voices: ["heart"] }, { name: "cartesia", voices: ["cleo"] }],
  transports: [],
  elsewhere: ["auto", "cartesia", "deepgram"],
};
const DEFAULTS = { recognizer: "", model: "", voice: "" };

test("the models of a conversation are the chosen ones, as far as the server has them", () => {
  assert.deepEqual(modelsUsed(server, DEFAULTS), { recognition: "moonshine", answers: "auto", voice: "kokoro" });
  const chosen = { recognizer: "deepgram", model: "smollm2", voice: "cleo" };
  assert.deepEqual(modelsUsed(server, chosen), { recognition: "deepgram", answers: "smollm2", voice: "cartesia" });
  const gone = { recognizer: "whisper", model: "gpt", voice: "nobody" };
  assert.deepEqual(modelsUsed(server, gone), modelsUsed(server, DEFAULTS));
});

test("the page tells to which models the server sends words on, and does not guess where it is not told", () => {
  assert.deepEqual(sentOnTo(server, DEFAULTS), ["auto"]);
  assert.deepEqual(sentOnTo(server, { recognizer: "deepgram", model: "smollm2", voice: "cleo" }), ["deepgram", "cartesia"]);
  assert.deepEqual(sentOnTo(server, { ...DEFAULTS, model: "smollm2" }), []);
  assert.deepEqual(sentOnTo({ ...server, elsewhere: undefined }, DEFAULTS), []);
});

test("a model is named with the place where it runs", () => {
  assert.equal(placed("moonshine", server), "moonshine, on the server");
  assert.equal(placed("auto", server), "auto, which the server passes this on to");
  assert.equal(placed("auto", { ...server, elsewhere: undefined }), "auto");
});
