import assert from "node:assert/strict";
import { test } from "node:test";

import { Transcript } from "../../web/lib/transcript.js";

/** @param {...object} events */
function after(...events) {
  const transcript = new Transcript(() => 0);
  for (const event of events) transcript.take(event);
  return transcript;
}

const started = { type: "input_audio_buffer.speech_started", item_id: "u" };
const partial = (stable, unstable) => ({ type: "streamsrv.transcription.partial", item_id: "u", stable, unstable });
const completed = (transcript) => ({
  type: "conversation.item.input_audio_transcription.completed",
  item_id: "u",
  transcript,
});
const added = { type: "response.output_item.added", response_id: "r", item: { id: "a", type: "message" } };
const spoken = (delta) => ({ type: "response.output_audio_transcript.delta", response_id: "r", item_id: "a", delta });
const timed = (...words) => ({
  type: "streamsrv.words.timed",
  item_id: "a",
  words: words.map(([word, start_ms, end_ms]) => ({ word, start_ms, end_ms })),
});
const done = (status, details = null) => ({
  type: "response.done",
  response: { id: "r", status, status_details: details, output: [{ id: "a", type: "message" }] },
});
const at = (ms) => ({ itemId: "a", ms, ended: false, complete: false });
const truncated = (ms) => ({ type: "conversation.item.truncated", item_id: "a", audio_end_ms: ms });

test("certain and tentative words are told apart", () => {
  const [message] = after(started, partial("turn on the", "light")).messages;
  assert.deepEqual([message.text, message.tentative, message.status], ["turn on the", "light", "hearing"]);
});

test("the final transcript replaces what was heard before", () => {
  const [message] = after(started, partial("turn on", "delight"), completed("Turn on the light.")).messages;
  assert.deepEqual([message.text, message.tentative, message.status], ["Turn on the light.", "", "done"]);
});

test("a turn without words leaves nothing on the screen", () => {
  assert.deepEqual(after(started, completed(" ")).messages, []);
});

test("a failed recognition keeps the words so far and says why", () => {
  const failed = { type: "conversation.item.input_audio_transcription.failed", item_id: "u", error: { message: "No." } };
  const [message] = after(started, partial("turn on", "the"), failed).messages;
  assert.deepEqual([message.text, message.status], ["turn on the", "failed"]);
  assert.deepEqual([message.error, message.detail], ["This couldn't be recognised.", "No."]);
});

test("words are lit when they begin to be heard", () => {
  const transcript = after(added, spoken("One two three."), timed(["One", 0, 200], ["two", 200, 400], ["three.", 400, 700]));
  transcript.played(at(250));
  assert.equal(transcript.messages[0].text.slice(0, transcript.messages[0].lit), "One two");
});

test("a number that is spoken in words lights no wrong word", () => {
  const words = timed(["three", 0, 200], ["kilometers", 200, 900], ["away", 900, 1200]);
  const transcript = after(added, spoken("3 kilometers away"), words);
  transcript.played(at(500));
  assert.equal(transcript.messages[0].lit, "3 kilometers".length);
});

test("an interrupted reply shows which words were not heard", () => {
  const words = timed(["One", 0, 200], ["two", 200, 400], ["three.", 400, 700]);
  const transcript = after(added, spoken("One two three."), words, done("cancelled"), truncated(410));
  const [message] = transcript.messages;
  assert.deepEqual([message.status, message.text.slice(message.lit)], ["cut", " three."]);
});

test("what the server says was heard counts more than a later report of the player", () => {
  const words = timed(["One", 0, 200], ["two", 200, 400]);
  const transcript = after(added, spoken("One two"), words, truncated(210));
  transcript.played({ ...at(390), ended: true });
  assert.equal(transcript.messages[0].lit, 3);
});

test("a reply that is complete and still being played can be interrupted", () => {
  const words = timed(["One", 0, 200], ["two", 200, 400]);
  const transcript = after(added, spoken("One two"), words, done("completed"));
  transcript.played({ ...at(150), ended: true });
  assert.equal(transcript.messages[0].status, "cut");
});

test("a failed answer says why, even without a word", () => {
  const details = { error: { message: "The model is down." } };
  const event = done("failed", details);
  event.response.output = [];
  const [{ error, detail }] = after(event).messages;
  assert.deepEqual([error, detail], ["The reply failed.", "The model is down."]);
});

test("what was said survives a lost connection", () => {
  const transcript = after(started, partial("turn on", "the"), added, spoken("I will"));
  transcript.connectionLost();
  assert.deepEqual(
    transcript.messages.map(({ text, tentative, status }) => [text, tentative, status]),
    [["turn on the", "", "done"], ["I will", "", "cut"]],
  );
});

test("a reply that was complete but not played to its end was interrupted by the loss", () => {
  const words = timed(["One", 0, 200], ["two", 200, 400]);
  const transcript = after(added, spoken("One two"), words, done("completed"));
  transcript.played(at(100));
  transcript.connectionLost();
  assert.equal(transcript.messages[0].status, "cut");
});

test("a reply that was played to its end is whole after a loss", () => {
  const transcript = after(added, spoken("One two"), done("completed"));
  transcript.played({ ...at(400), ended: true, complete: true });
  transcript.connectionLost();
  assert.equal(transcript.messages[0].status, "done");
});

test("a new session is told what was said, and of interrupted replies what was heard", () => {
  const transcript = after(completed("Count."), added, spoken("One two"), timed(["One", 0, 200], ["two", 200, 400]), truncated(210));
  assert.deepEqual(
    transcript.replay().map(({ item }) => [item.id, item.role, item.content[0]]),
    [
      ["u", "user", { type: "input_text", text: "Count." }],
      ["a", "assistant", { type: "output_text", text: "One" }],
    ],
  );
});

test("a new session is told the newest part of a long conversation", () => {
  const transcript = new Transcript(() => 0);
  for (let i = 0; i < 30; i++) transcript.putUser(`u${i}`, "x".repeat(1000));
  const replayed = transcript.replay();
  assert.deepEqual([replayed.length, replayed.at(-1)?.item.id], [12, "u29"]);
});

test("a browser's own voice lights sentence by sentence", () => {
  const delta = { type: "response.output_text.delta", response_id: "r", item_id: "a", delta: "One. Two." };
  const transcript = after(added, delta);
  transcript.spokenSentence("a", "One.");
  assert.equal(transcript.messages[0].lit, 4);
});

test("messages that wait stay in order below what comes before them", () => {
  const transcript = new Transcript(() => 0);
  transcript.putPending("a", "First.", false);
  transcript.putPending("b", "Second.", false);
  assert.deepEqual(transcript.messages.map(({ text }) => text), ["First.", "Second."]);
  assert.equal(transcript.takePending().item.id, "a");
  transcript.take({ type: "response.output_item.added", response_id: "r", item: { id: "x", type: "message" } });
  transcript.take({ type: "response.output_text.delta", item_id: "x", delta: "Answer." });
  assert.deepEqual(transcript.messages.map(({ id }) => id), ["a", "x", "b"]);
  assert.equal(transcript.takePending().item.id, "b");
  assert.equal(transcript.takePending(), null);
});

test("a message that waits is not part of what a new session is told", () => {
  const transcript = new Transcript(() => 0);
  transcript.putUser("a", "Said.");
  transcript.putPending("b", "Waits.", false);
  assert.deepEqual(transcript.replay().map(({ item }) => item.id), ["a"]);
});

test("an utterance that the next session hears again is not shown twice", () => {
  const transcript = new Transcript(() => 0);
  transcript.take({ type: "input_audio_buffer.speech_started", item_id: "u" });
  transcript.take({ type: "streamsrv.transcription.partial", item_id: "u", stable: "Is the", unstable: "front" });
  transcript.connectionLost(true);
  assert.deepEqual(transcript.messages, []);
});

test("a turn that was over when its session ended still wants its answer", () => {
  const transcript = new Transcript(() => 0);
  transcript.take({ type: "streamsrv.transcription.partial", item_id: "u", stable: "Is it open?", unstable: "" });
  assert.equal(transcript.connectionLost(), false);
  transcript.take({ type: "streamsrv.transcription.partial", item_id: "v", stable: "Is it shut?", unstable: "" });
  transcript.take({ type: "input_audio_buffer.committed", item_id: "v" });
  assert.equal(transcript.connectionLost(), true);
});

test("a reply of another model than the one that was asked says so", () => {
  const transcript = new Transcript(() => 0);
  const fallback = { from: "mock", reason: "exceeded your quota" };
  const response = { id: "r", status: "completed", output: [{ id: "x", type: "message" }] };
  transcript.take({ type: "response.output_text.delta", item_id: "x", delta: "Hi." });
  transcript.take({ type: "response.done", response: { ...response, streamsrv: { model: "smollm2-135m", fallback } } });
  assert.deepEqual(transcript.messages[0].fallback, { model: "smollm2-135m", ...fallback });
});

test("words of another recogniser than the one that was asked say so", () => {
  const transcript = new Transcript(() => 0);
  const fallback = { from: "remote", reason: "It has stalled." };
  const type = "conversation.item.input_audio_transcription.completed";
  transcript.take({ type, item_id: "x", transcript: "Hi.", streamsrv: { model: "moonshine-tiny", fallback } });
  assert.deepEqual(transcript.messages[0].fallback, { model: "moonshine-tiny", ...fallback });
  transcript.take({ type, item_id: "y", transcript: "Hi.", streamsrv: { model: "moonshine-tiny" } });
  assert.equal(transcript.messages[1].fallback, undefined);
});

test("a reply of the model that was asked says nothing of it", () => {
  const transcript = new Transcript(() => 0);
  transcript.take({ type: "response.output_text.delta", item_id: "x", delta: "Hi." });
  const response = { id: "r", status: "completed", output: [{ id: "x", type: "message" }], streamsrv: { model: "m" } };
  transcript.take({ type: "response.done", response });
  assert.equal(transcript.messages[0].fallback, undefined);
});

test("an answer says who gave it, why, and what it cost", () => {
  const transcript = after(added, spoken("Hi."));
  const routing = { policy: "balanced", complexity: "hard", reason: "It is the strongest.", models: ["strong"] };
  const told = { model: "strong", routing, cost: { usd: 0.0012, session_usd: 0.01 } };
  transcript.take({ type: "response.done", response: { ...done("completed").response, streamsrv: told } });
  const { answer } = transcript.messages[0];
  assert.deepEqual([answer.model, answer.why, answer.cost.usd], ["strong", "It is the strongest.", 0.0012]);
});

test("an answer of a server that says nothing about it has no such line", () => {
  assert.equal(after(added, spoken("Hi."), done("completed")).messages[0].answer, undefined);
  const transcript = after(added, spoken("Hi."));
  transcript.take({ type: "response.done", response: { ...done("completed").response, streamsrv: { model: "m" } } });
  assert.deepEqual(transcript.messages[0].answer, { model: "m" });
});

test("a conversation that was saved as JSON is shown again, and the next session is told of it", () => {
  const words = timed(["One", 0, 200], ["two", 200, 400]);
  const transcript = after(completed("Count."), added, spoken("One two"), words);
  transcript.played(at(150));
  transcript.putPending("w", "And then?", false);
  const again = new Transcript(() => 0);
  again.restore(JSON.parse(JSON.stringify(transcript.saved())));
  assert.deepEqual(
    again.messages.map(({ text, lit, status }) => [text, lit, status]),
    [["Count.", 0, "done"], ["One two", 3, "cut"], ["And then?", 0, "pending"]],
  );
  assert.deepEqual(again.replay().map(({ item }) => item.content[0].text), ["Count.", "One"]);
  assert.equal(again.pending?.id, "w");
});

test("what comes late of an answer that was removed is not shown", () => {
  const transcript = after(completed("Count."), added, spoken("One"));
  assert.deepEqual(transcript.cutAfter("u"), ["a"]);
  transcript.take(spoken(" two"));
  transcript.take(done("cancelled"));
  assert.deepEqual(transcript.messages.map(({ id }) => id), ["u"]);
});

test("what a tool did for an answer goes with it", () => {
  const call = { type: "conversation.item.added", item: { id: "f", type: "function_call" } };
  const transcript = after(completed("Count."), call, added, spoken("One"));
  assert.deepEqual(transcript.messages.map(({ id }) => id), ["u", "a"]);
  assert.equal(transcript.before("a")?.id, "u");
  assert.deepEqual(transcript.cutAfter("u"), ["f", "a"]);
});

test("messages that wait stay when an answer is removed, and go when the message before them is changed", () => {
  const transcript = after(completed("Count."), added, spoken("One"));
  transcript.putPending("w", "And then?", false);
  transcript.cutAfter("u");
  assert.deepEqual(transcript.messages.map(({ id }) => id), ["u", "w"]);
  assert.deepEqual(transcript.cutAfter(null, { pending: true }), ["u"]);
  assert.deepEqual(transcript.messages, []);
});

test("a reply says whether the connection cut it, or the user", () => {
  const lost = after(completed("Count."), added, spoken("One"));
  lost.connectionLost();
  assert.equal(lost.messages[1].lost, true);
  const ended = after(completed("Count."), added, spoken("One"));
  ended.ended();
  assert.deepEqual([ended.messages[1].status, ended.messages[1].lost], ["cut", undefined]);
});
