import assert from "node:assert/strict";
import { test } from "node:test";

import { activity } from "../../web/lib/activity.js";
import { AudioBacklog } from "../../web/lib/audio-backlog.js";
import { Backoff } from "../../web/lib/backoff.js";
import { LatencyTracker } from "../../web/lib/latency.js";
import { fromBase64, level, toBase64, toInt16 } from "../../web/lib/pcm.js";
import { asProblem, httpProblem, microphoneProblem, serverProblem } from "../../web/lib/problems.js";
import { SentenceSplitter, withoutMarks } from "../../web/lib/sentences.js";
import { DEFAULT_OPTIONS, needsNewSession, sessionObject } from "../../web/lib/session-options.js";

test("waits grow, and end", () => {
  const backoff = new Backoff();
  const waits = [];
  for (let wait = backoff.next(0.5); wait !== null; wait = backoff.next(0.5)) waits.push(wait);
  assert.deepEqual(waits.slice(0, 6), [500, 1000, 2000, 4000, 8000, 15000]);
  const total = waits.reduce((sum, wait) => sum + wait, 0);
  assert.ok(total >= 180_000 && total <= 195_000, `${total} ms`);
});

test("a connection that held begins anew", () => {
  const backoff = new Backoff();
  backoff.next(0.5);
  backoff.next(0.5);
  backoff.reset();
  assert.equal(backoff.next(0.5), 500);
});

test("samples survive base64", () => {
  const pcm = new Int16Array([0, 1, -1, 32767, -32768]);
  assert.deepEqual(fromBase64(toBase64(pcm)), pcm);
});

test("samples beyond full scale are clipped, not wrapped", () => {
  assert.deepEqual([...toInt16(new Float32Array([2, -2, 0]))], [32767, -32768, 0]);
});

test("the meter shows nothing for silence and all for full scale", () => {
  assert.equal(level(new Int16Array(480)), 0);
  assert.ok(level(new Int16Array(480).fill(32767)) > 0.99);
});

test("of a long outage the newest fifteen seconds are kept", () => {
  const backlog = new AudioBacklog();
  for (let i = 0; i < 17; i++) backlog.push(new Int16Array(24_000).fill(i));
  assert.equal(backlog.overflowed, true);
  assert.deepEqual(backlog.drain().map((block) => block[0]), [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
  assert.deepEqual(backlog.drain(), []);
});

/** @param {...string} deltas */
function sentences(...deltas) {
  const splitter = new SentenceSplitter();
  return [...deltas.flatMap((delta) => splitter.feed(delta)), ...splitter.finish()];
}

test("sentences come as soon as they are certain", () => {
  const splitter = new SentenceSplitter();
  assert.deepEqual(splitter.feed("It is noon. And"), ["It is noon."]);
  assert.deepEqual(splitter.feed(" then?"), []);
  assert.deepEqual(splitter.finish(), ["And then?"]);
});

test("abbreviations, initials and decimals end no sentence", () => {
  assert.deepEqual(sentences("Dr. Smith has 3", ".5 cats. J. S. Bach has none."), ["Dr. Smith has 3.5 cats.", "J. S. Bach has none."]);
});

test("a voice is given words without the marks of Markdown", () => {
  assert.equal(withoutMarks("**Note:** see [the docs](https://e.org) and `code`."), "Note: see the docs and code.");
  assert.equal(withoutMarks("- *one* item"), "one item");
  for (const text of ["2*3 is snake_case.", "Five * three.", "```"]) assert.equal(withoutMarks(text), text);
});

test("a closing quotation mark belongs to its sentence", () => {
  assert.deepEqual(sentences('She said "no." He left.'), ['She said "no."', "He left."]);
});

test("text without an end is cut at a clause before it gets too long", () => {
  const cut = sentences(`${"word ".repeat(30)}end, ${"more ".repeat(30)}`);
  assert.ok(cut.every((sentence) => sentence.length <= 200));
  assert.ok(cut[0].endsWith("end,"));
});

test("no character is lost by cutting", () => {
  const text = "One. Two! Three? Four, five; six… 七。八。 Mr. X went 3.5 km.\nNew line";
  assert.equal(sentences(...text).join("").replace(/\s/g, ""), text.replace(/\s/g, ""));
});

const stages = { turn_ended_ms: 300, first_audio_ms: 500 };

test("the time until a reply is heard counts what happens here", () => {
  const tracker = new LatencyTracker();
  tracker.audioArrived("r", 1000);
  assert.equal(tracker.played("r", 1040), null);
  assert.deepEqual(tracker.measured("r", stages), { ...stages, played_ms: 540 });
});

test("a reply that is heard after the server is done with it is measured too", () => {
  const tracker = new LatencyTracker();
  tracker.audioArrived("r", 1000);
  tracker.measured("r", stages);
  assert.equal(tracker.played("r", 1100)?.played_ms, 600);
});

test("a reply that is never heard is not measured", () => {
  const tracker = new LatencyTracker();
  assert.equal(tracker.measured("r", stages), null);
});

const quiet = { connection: "open", listening: true, hearing: false, answering: false, playing: false, held: false };

test("what a session does is one word, and the most urgent one", () => {
  assert.equal(activity(quiet), "listening");
  assert.equal(activity({ ...quiet, listening: false }), "paused");
  assert.equal(activity({ ...quiet, answering: true }), "thinking");
  assert.equal(activity({ ...quiet, answering: true, playing: true }), "speaking");
  assert.equal(activity({ ...quiet, playing: true, hearing: true }), "hearing");
  assert.equal(activity({ ...quiet, playing: true, hearing: true, held: true }), "held");
  assert.equal(activity({ ...quiet, playing: true, connection: "reconnecting" }), "reconnecting");
});

test("a denied microphone is explained with a way on", () => {
  const problem = microphoneProblem("NotAllowedError");
  assert.equal(problem.code, "microphone_denied");
  assert.match(problem.advice, /Allow it/);
});

test("a refused key asks for one", () => {
  assert.equal(httpProblem(401, undefined).code, "key_required");
});

test("what the server says is for who looks closer; the user is told what happened and what to do", () => {
  for (const status of [400, 401, 403, 404, 429, 500, 503]) {
    const { message, advice, detail } = httpProblem(status, { message: "Invalid 'x': no." });
    assert.doesNotMatch(message + advice, /Invalid/);
    assert.equal(detail, "Invalid 'x': no.");
  }
});

test("what cannot be understood at all is told without the program's own words", () => {
  const { message, detail } = asProblem(new TypeError("x is undefined"));
  assert.deepEqual([message, detail], ["Something went wrong in this page.", "TypeError: x is undefined"]);
});

test("a server without a port for one more call is not full: a WebSocket needs none", () => {
  assert.equal(httpProblem(503, { message: "No room.", code: "session_limit_reached" }).code, "server_full");
  assert.equal(httpProblem(503, { message: "No port.", code: "media_ports_in_use" }).code, "media_ports_in_use");
});

test("what the server says of a request of the page is not shown", () => {
  const raw = "Conversation already has an active response in progress: resp_1.";
  const { message, advice } = serverProblem({ code: "invalid_value", message: raw, type: "invalid_request_error" });
  assert.doesNotMatch(message + advice, /resp_1|response in progress/);
});

test("what the server says of its own failure is for who looks closer", () => {
  const { message, detail } = serverProblem({ code: null, message: "The model is gone.", type: "server_error" });
  assert.deepEqual([message, detail], ["The server has a problem.", "The model is gone."]);
});

test("a setting that the server refuses is named, and can be changed", () => {
  const raw = "Invalid value for 'session.instructions': too long.";
  const problem = serverProblem({ code: "invalid_value", message: raw, type: "invalid_request_error", param: "session.instructions" });
  assert.match(problem.message, /these instructions/);
  assert.match(problem.advice, /settings/);
});

test("a turn in which nothing was heard is told in plain words", () => {
  const raw = "Error committing input audio buffer: buffer too small.";
  const problem = serverProblem({ code: "input_audio_buffer_commit_empty", message: raw, type: "invalid_request_error" });
  assert.equal(problem.message, "I didn't hear anything.");
});

test("another connection, model, voice or codec needs another session, and nothing else does", () => {
  const changes = { model: "m", voice: "v", audioCodec: "opus", transports: ["websocket"] };
  for (const [name, value] of Object.entries(changes)) {
    assert.ok(needsNewSession(DEFAULT_OPTIONS, { ...DEFAULT_OPTIONS, [name]: value }), name);
  }
  const others = { mode: "push-to-talk", instructions: "Be brief.", spoken: false, deviceId: "d", language: "de", speed: 1.5, volume: 0 };
  assert.ok(!needsNewSession(DEFAULT_OPTIONS, { ...DEFAULT_OPTIONS, ...others }));
});

test("a session that the browser speech recognition for has no turn detection", () => {
  const session = sessionObject(DEFAULT_OPTIONS, { recognition: "browser", voice: "server" });
  assert.equal(session.audio.input.turn_detection, null);
});

test("the pace of the voice is told each time, so that it can be set back", () => {
  for (const speed of [0.5, 1]) {
    const session = sessionObject({ ...DEFAULT_OPTIONS, speed }, { recognition: "server", voice: "server" });
    assert.deepEqual(session.audio.output, { speed });
  }
});

test("a session that the browser speaks for asks for text", () => {
  const session = sessionObject(DEFAULT_OPTIONS, { recognition: "server", voice: "browser" });
  assert.deepEqual(session.output_modalities, ["text"]);
});

test("push-to-talk ends turns itself", () => {
  const session = sessionObject({ ...DEFAULT_OPTIONS, mode: "push-to-talk" }, { recognition: "server", voice: "server" });
  assert.equal(session.audio.input.turn_detection, null);
});
