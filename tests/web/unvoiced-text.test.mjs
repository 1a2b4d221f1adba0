import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { fakeSpeech } from "./fake-browser.mjs";

const { BrowserStages } = await import("../../web/lib/browser-stages.js");
const { Emitter } = await import("../../web/lib/emitter.js");
const { Transcript } = await import("../../web/lib/transcript.js");
const { UnvoicedText } = await import("../../web/lib/unvoiced-text.js");

const failed = (unspoken, audioMs) => ({
  type: "streamsrv.voice.failed",
  response_id: "r",
  item_id: "a",
  unspoken,
  audio_end_ms: audioMs,
  language: "de",
  error: { message: "It broke." },
});
const delta = (text) => ({ type: "response.output_audio_transcript.delta", item_id: "a", delta: text });
const DONE = { type: "response.output_audio_transcript.done", item_id: "a" };
const played = (ms, { ended = false, complete = false } = {}) => ({ itemId: "a", ms, ended, complete });
const response = (status) => ({ type: "response.done", response: { id: "r", status, output: [] } });

test("without audio the text can be spoken at once, as it comes", () => {
  const unvoiced = new UnvoicedText();
  assert.deepEqual(unvoiced.take(failed("", 0)), []);
  assert.deepEqual(unvoiced.take(delta("One.")), [{ itemId: "a", text: "One.", language: "de", last: false }]);
  assert.deepEqual(unvoiced.take(DONE), [{ itemId: "a", text: "", language: "de", last: true }]);
  assert.deepEqual(unvoiced.take(delta("Two.")), []);
});

test("the rest waits for the audio before it", () => {
  const unvoiced = new UnvoicedText();
  unvoiced.take(failed(" of it.", 900));
  assert.deepEqual([...unvoiced.take(delta(" More.")), ...unvoiced.played(played(899)), ...unvoiced.take(DONE)], []);
  assert.deepEqual(unvoiced.played(played(900)), [{ itemId: "a", text: " of it. More.", language: "de", last: true }]);
});

test("the rest of a reply that is stopped is dropped", () => {
  const unvoiced = new UnvoicedText();
  unvoiced.take(failed("rest", 900));
  assert.deepEqual(unvoiced.played(played(300, { ended: true })), []);
  assert.deepEqual(unvoiced.take(DONE), []);
});

test("the text of replies with a voice is not spoken by the browser", () => {
  const unvoiced = new UnvoicedText();
  assert.deepEqual([...unvoiced.take(delta("One.")), ...unvoiced.take(DONE)], []);
});

/** The browser's stages behind a link, and the transcript that both fill, as in a `VoiceSession`. */
function conversation() {
  const link = new Emitter();
  const transcript = new Transcript(() => 0);
  link.on("event", (event) => transcript.take(event));
  link.on("progress", (how) => transcript.played(how));
  const browser = new BrowserStages(() => ({ language: "en-US", speed: 1, volume: 1 }), transcript);
  browser.follow(link);
  const problems = [];
  browser.on("problem", ({ problem }) => problems.push(problem.code));
  link.emit("event", { type: "response.output_item.added", response_id: "r", item: { id: "a", type: "message" } });
  return { link, browser, transcript, problems };
}

const texts = () => fakeSpeech.spoken.map(({ text }) => text);
const unsaid = ({ messages: [message] }) => message.text.slice(message.lit);

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  fakeSpeech.spoken = [];
  fakeSpeech.cancelled = 0;
});

test("the browser speaks the rest of a sentence after what was played of it, and the words light up", () => {
  const { link, transcript, problems } = conversation();
  link.emit("event", delta("The sun is a star."));
  link.emit("event", failed(" is a star.", 400));
  link.emit("event", delta(" It is hot."));
  link.emit("event", DONE);
  link.emit("event", response("completed"));
  assert.deepEqual([problems, texts()], [["server_voice_failed"], []]);
  link.emit("progress", played(400, { ended: true, complete: true }));
  assert.deepEqual([texts(), unsaid(transcript)], [["is a star."], " is a star. It is hot."]);
  assert.equal(fakeSpeech.spoken[0].lang, "de");
  fakeSpeech.spoken[0].onstart();
  assert.equal(unsaid(transcript), " It is hot.");
  fakeSpeech.spoken[0].onend();
  fakeSpeech.spoken[1].onstart();
  fakeSpeech.spoken[1].onend();
  assert.deepEqual([texts(), unsaid(transcript)], [["is a star.", "It is hot."], ""]);
});

test("an answer that is cancelled is not spoken on", () => {
  const { link, transcript } = conversation();
  link.emit("event", delta("One. Two. "));
  link.emit("event", failed("One. Two. ", 0));
  fakeSpeech.spoken[0].onstart();
  link.emit("event", DONE);
  link.emit("event", response("cancelled"));
  assert.deepEqual([texts(), fakeSpeech.cancelled, transcript.messages[0].status], [["One."], 1, "cut"]);
});

test("the user stops the browser's voice as any reply", () => {
  const { link, browser, transcript } = conversation();
  link.emit("event", delta("One. Two. "));
  link.emit("event", failed("One. Two. ", 0));
  fakeSpeech.spoken[0].onstart();
  browser.cancel();
  link.emit("event", delta("Three. "));
  assert.deepEqual([texts(), fakeSpeech.cancelled, unsaid(transcript)], [["One."], 1, " Two. Three. "]);
});

test("the next reply of the server's voice ends the browser's", () => {
  const { link } = conversation();
  link.emit("event", failed("One. Two. ", 0));
  fakeSpeech.spoken[0].onstart();
  link.emit("doing", { playing: true });
  assert.equal(fakeSpeech.cancelled, 1);
});
