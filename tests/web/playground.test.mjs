import assert from "node:assert/strict";
import { test } from "node:test";

import { inJavaScript, inPython } from "../../web/playground/as-code.js";
import { BLOCK_MS, Envelope, MAX_MINUTES, ReplyPeaks, peak } from "../../web/playground/envelope.js";
import { EventLog, Matches, toJsonLines } from "../../web/playground/event-log.js";
import { familyOf, inBytes, inClock, keyFields } from "../../web/playground/event-summary.js";
import { differences, merged, notGranted, withValue } from "../../web/playground/json-paths.js";
import { FIELDS, asRequest, fieldOf, shown, withEntry } from "../../web/playground/session-fields.js";
import { rightEdge } from "../../web/playground/sound-view.js";
import { Tabs } from "../../web/playground/tabs.js";
import { Timeline } from "../../web/playground/timeline.js";
import { ToolAnswers, readMock } from "../../web/playground/tool-mocks.js";
import { MAX_TURNS, TurnMetrics, endingInWords, waitMs } from "../../web/playground/turn-metrics.js";

const EVERYTHING = { text: "", side: "", family: "" };

/** Adds events to a log, 10 ms apart. */
function filled(log, events, side = "server") {
  events.forEach((event, i) => log.add({ at: 1000 + i * 10, side, type: event.type, item: event.item_id, text: JSON.stringify(event) }));
  return log;
}

const append = { type: "input_audio_buffer.append", audio: "A".repeat(1280) };

test("an event has its times, its size and its most important fields", () => {
  const error = { type: "error", error: { message: "No.", code: "invalid_value", param: "session.audio" } };
  const [first, second] = filled(new EventLog(), [{ type: "session.created", session: { model: "m" } }, error]).entries;
  assert.deepEqual([first.ms, first.sinceMs, second.ms, second.sinceMs], [0, 0, 10, 10]);
  assert.equal(second.characters, JSON.stringify(error).length);
  assert.equal(second.fields, 'message "No."  param session.audio  code invalid_value');
});

test("audio is one row for each turn of the user and each item of the server, without the audio", () => {
  const delta = (item_id) => ({ type: "response.output_audio.delta", item_id, delta: "B".repeat(500) });
  const log = new EventLog();
  filled(log, [append, append, { type: "input_audio_buffer.speech_started" }, append], "client");
  filled(log, [delta("a"), delta("b"), delta("a")]);
  log.add({ at: 1100, side: "server", type: "input_audio_buffer.committed", text: '{"type":"input_audio_buffer.committed"}' });
  filled(log, [append], "client");
  const rows = log.entries.map(({ type, count }) => `${type.split(".").at(-1)} ${count}`);
  assert.deepEqual(rows, ["append 3", "speech_started 1", "delta 2", "delta 1", "committed 1", "append 1"]);
  assert.equal(log.entries[0].characters, 3 * JSON.stringify(append).length);
  assert.equal(JSON.parse(log.entries[0].text).audio, "(1280 characters of audio)");
});

test("each event of audio is a row if that is wanted", () => {
  const log = new EventLog();
  log.listsAudio = true;
  assert.deepEqual(filled(log, [append, append], "client").entries.map(({ count }) => count), [1, 1]);
});

test("the oldest events are dropped when there are too many, or they are too large", () => {
  const many = filled(new EventLog({ maxEvents: 3 }), Array.from({ length: 5 }, (_, n) => ({ type: "x", n })));
  assert.deepEqual([many.entries.map(({ number }) => number), many.dropped], [[3, 4, 5], 2]);
  const large = filled(new EventLog({ maxCharacters: 100 }), [{ type: "x", text: "a".repeat(80) }, { type: "x", text: "b".repeat(200) }]);
  assert.deepEqual([large.entries.length, large.dropped], [1, 1]);
});

test("events are found by direction, by kind and by any text in them", () => {
  const log = filled(new EventLog(), [{ type: "response.created" }, { type: "error", error: { message: "Quota EXCEEDED" } }]);
  filled(log, [{ type: "response.create" }], "client");
  const found = (filter) => new Matches().of(log.entries, { ...EVERYTHING, ...filter }).map(({ type }) => type);
  assert.deepEqual(found({ side: "client" }), ["response.create"]);
  assert.deepEqual(found({ family: "error" }), ["error"]);
  assert.deepEqual(found({ text: " exceeded" }), ["error"]);
  assert.deepEqual(found({ text: "response.c" }), ["response.created", "response.create"]);
});

test("a filter goes on where it was when there are more events, and begins anew when it changes", () => {
  const log = filled(new EventLog({ maxEvents: 4 }), [{ type: "a" }, { type: "b" }, { type: "a" }]);
  const matches = new Matches();
  const numbers = (text) => matches.of(log.entries, { ...EVERYTHING, text }).map(({ number }) => number);
  assert.deepEqual(numbers("a"), [1, 3]);
  filled(log, [{ type: "a" }, { type: "b" }]);
  assert.deepEqual(numbers("a"), [3, 4]);
  assert.deepEqual(numbers("b"), [2, 5]);
  log.clear();
  assert.deepEqual(numbers("b"), []);
  filled(log, [{ type: "b" }]);
  assert.deepEqual(numbers("b"), [6]);
});

test("ten thousand events take no noticeable time", () => {
  const log = new EventLog();
  const matches = new Matches();
  const begin = performance.now();
  for (let n = 0; n < 10_000; n++) {
    filled(log, [{ type: "response.output_text.delta", item_id: "i", delta: `word ${n}` }]);
    if (n % 100 === 0) matches.of(log.entries, { ...EVERYTHING, text: "word 1" });
  }
  assert.equal(log.entries.length, 5000);
  assert.ok(performance.now() - begin < 5000, "a machine would have to be very slow");
});

test("JSONL has one event on each line", () => {
  const log = filled(new EventLog(), [append, append], "client");
  filled(log, [{ type: "error", error: { message: "line\nbreak" } }]);
  const lines = toJsonLines(log.entries).trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual([lines[0].from, lines[0].events, lines[0].last_ms], ["client", 2, 10]);
  assert.deepEqual(lines[1].event, { type: "error", error: { message: "line\nbreak" } });
  assert.equal(lines[1].at, "1970-01-01T00:00:01.000Z");
});

test("events belong to a kind, and times and sizes are short", () => {
  assert.equal(familyOf("conversation.item.input_audio_transcription.delta"), "input");
  assert.equal(familyOf("response.mcp_call.completed"), "tools");
  assert.equal(familyOf("streamsrv.turn.resumed"), "streamsrv");
  assert.equal(familyOf("who.knows"), "other");
  assert.equal(keyFields("x", JSON.stringify({ type: "x", delta: "a".repeat(500) })).length, 160);
  assert.deepEqual([inClock(61_500), inBytes(999), inBytes(1500), inBytes(2_500_000)], ["1:01.500", "999 B", "1.5 kB", "2.5 MB"]);
});

test("an update is merged as the server does, and what differs is told by path", () => {
  const before = { audio: { input: { turn_detection: { type: "server_vad", threshold: 0.5 } } }, tools: [1] };
  const after = merged(before, { audio: { input: { turn_detection: { type: "semantic_vad" } } }, tools: [1, 2] });
  assert.deepEqual(after.audio.input.turn_detection, { type: "semantic_vad" });
  assert.deepEqual(differences(before, after), [
    { path: "audio.input.turn_detection.type", before: "server_vad", after: "semantic_vad" },
    { path: "audio.input.turn_detection.threshold", before: 0.5, after: undefined },
    { path: "tools", before: [1], after: [1, 2] },
  ]);
  assert.deepEqual(notGranted({ audio: { output: { voice: "alloy", speed: null } } }, { audio: { output: { voice: "heart", speed: 1 } } }), [
    { path: "audio.output.voice", before: "alloy", after: "heart" },
  ]);
  assert.deepEqual(withValue({ a: { b: 1 }, c: 2 }, "a.b", undefined), { c: 2 });
});

const field = (path) => FIELDS.find((each) => each.path === path);
const SESSION = { instructions: "", max_output_tokens: "inf", audio: { input: { turn_detection: { type: "server_vad", threshold: 0.5 } } } };

test("only what differs from the session is sent", () => {
  const threshold = field("audio.input.turn_detection.threshold");
  const changed = withEntry(SESSION, {}, threshold, "0.7");
  assert.deepEqual(changed, { audio: { input: { turn_detection: { threshold: 0.7 } } } });
  assert.deepEqual(withEntry(SESSION, changed, threshold, "0.5"), {});
  assert.deepEqual(withEntry(SESSION, {}, threshold, "loud").audio.input.turn_detection.threshold, "loud");
  const type = field("audio.input.turn_detection.type");
  assert.deepEqual(withEntry(SESSION, changed, type, ""), { audio: { input: { turn_detection: null } } });
  const semantic = withEntry(SESSION, {}, type, "semantic_vad");
  const eager = withEntry(SESSION, semantic, field("audio.input.turn_detection.eagerness"), "high");
  assert.deepEqual(eager.audio.input.turn_detection, { type: "semantic_vad", eagerness: "high" });
  assert.deepEqual(withEntry(SESSION, {}, field("max_output_tokens"), "200"), { max_output_tokens: 200 });
  assert.deepEqual(withEntry(SESSION, {}, field("audio.input.transcription.keywords"), "Ada, Bob").audio.input.transcription.keywords, ["Ada", "Bob"]);
  assert.equal(shown(field("audio.input.turn_detection.interrupt_response"), SESSION), true);
});

test("an error of the server belongs to the control of its field", () => {
  assert.equal(fieldOf("session.audio.output.speed")?.label, "Speed");
  assert.equal(fieldOf("session.audio.input.transcription.keywords[2]")?.label, "Keywords");
  assert.equal(fieldOf("session.audio.input.turn_detection")?.label, "Type");
  assert.equal(fieldOf("session.tools[0].name"), null);
  assert.equal(fieldOf(null), null);
});

test("a session is asked for again without what only the server sets", () => {
  const audio = { input: { format: { type: "audio/pcm" }, turn_detection: null } };
  const session = { id: "s", object: "o", expires_at: 1, model: "m", instructions: "a", audio };
  assert.deepEqual(asRequest(session), { instructions: "a", audio: { input: { turn_detection: null } } });
});

const done = (fields) => ({ type: "response.done", response: { id: "r", status: "completed", output: [], ...fields } });

test("a spoken turn has the server's latency, what ended it, its tokens and its cost", () => {
  const metrics = new TurnMetrics();
  const streamsrv = {
    latency: { turn_ended_ms: 300, first_token_ms: 500 },
    turn: { limit_ms: 400, pace: 1.1, voice: 0.9 },
    model: "b",
    fallback: { from: "a", reason: "late" },
    cost: { usd: 0.01, turn_usd: 0.02, session_usd: 0.02 },
  };
  const usage = { input_tokens: 30, output_tokens: 5, input_token_details: { cached_tokens: 20 } };
  assert.equal(metrics.take("server", done({ usage, streamsrv }), 5000), true);
  const [turn] = metrics.turns;
  assert.deepEqual([turn.isSpoken, turn.model, turn.fallback?.from, turn.tokens], [true, "b", "a", { input: 30, cached: 20, output: 5 }]);
  assert.equal(endingInWords(turn.ending), "pause of 400 ms was enough, pace 1.1, voice 0.9");
  metrics.measured("r", { ...streamsrv.latency, first_audio_ms: 600, played_ms: 650 });
  assert.equal(waitMs(metrics.turns[0]), 650);
  assert.deepEqual(metrics.totals, { count: 1, input: 30, cached: 20, output: 5, usd: 0.02, medianMs: 650 });
});

test("a written turn is measured here, from the request of its answer", () => {
  const metrics = new TurnMetrics();
  metrics.take("client", { type: "response.create" }, 1000);
  metrics.take("server", { type: "response.created", response: { id: "r" } }, 1010);
  metrics.take("server", { type: "response.output_audio_transcript.delta", response_id: "r" }, 1200);
  metrics.take("server", { type: "response.output_audio.delta", response_id: "r" }, 1300);
  metrics.played("r", 1350);
  metrics.take("server", done({ status: "cancelled", status_details: { reason: "turn_detected" } }), 2000);
  metrics.played("r", 2100);
  const [turn] = metrics.turns;
  assert.deepEqual(turn.latency, { first_token_ms: 200, first_audio_ms: 300, played_ms: 350 });
  assert.deepEqual([turn.isSpoken, turn.status], [false, "cancelled (turn_detected)"]);
});

test("the number of turns is bounded, and the sums are of all of them", () => {
  const metrics = new TurnMetrics();
  for (let n = 0; n < MAX_TURNS + 5; n++) metrics.take("server", done({ usage: { input_tokens: 1, output_tokens: 1 } }), n);
  assert.deepEqual([metrics.turns.length, metrics.totals.count, metrics.totals.input], [MAX_TURNS, MAX_TURNS + 5, MAX_TURNS + 5]);
});

test("a signal is drawn by its highest samples, and stays where it was heard", () => {
  const pcm = new Int16Array(480);
  pcm[100] = -0x4000;
  assert.equal(peak(pcm), 128);
  const envelope = new Envelope();
  envelope.push(100, 20);
  envelope.push(50, 55); // late by 15 ms: still the next block
  envelope.push(70, 1000); // after a gap
  assert.deepEqual([envelope.highest(0, 20), envelope.highest(20, 40), envelope.highest(40, 960), envelope.highest(960, 1000)], [100, 50, 0, 70]);
});

test("of a long session the last minutes are kept", () => {
  const envelope = new Envelope();
  envelope.push(9, 20);
  for (const at of [0, 1]) envelope.put(200, MAX_MINUTES * 60_000 + at * BLOCK_MS);
  assert.equal(envelope.highest(0, 40), 0);
  assert.equal(envelope.startMs, 2 * BLOCK_MS);
  assert.equal(envelope.highest(MAX_MINUTES * 60_000, MAX_MINUTES * 60_000 + 20), 200);
});

test("a reply is drawn when it is played, however it was cut when it came", () => {
  const replies = new ReplyPeaks();
  const loud = new Int16Array(720).fill(0x2000);
  replies.add("a", loud);
  replies.add("a", loud);
  assert.equal(replies.receivedMs("a"), 60);
  assert.deepEqual(replies.played("a", 45), [64, 64]);
  assert.deepEqual(replies.played("a", 60), [64]);
  assert.deepEqual(replies.played("a", 60), []);
  assert.deepEqual(replies.played("b", 60), []);
});

test("speech, turns, replies and interruptions are told with their times", () => {
  const timeline = new Timeline();
  const heardAt = (ms) => ms;
  timeline.take({ type: "input_audio_buffer.speech_started", item_id: "u", audio_start_ms: 500 }, 900, heardAt);
  timeline.take({ type: "input_audio_buffer.speech_stopped", item_id: "u", audio_end_ms: 1500 }, 2000, heardAt);
  timeline.take({ type: "input_audio_buffer.committed" }, 2010, heardAt);
  timeline.played({ itemId: "a", ms: 40, ended: false, complete: false }, 3040);
  timeline.take(done({ status: "cancelled", status_details: { reason: "turn_detected" } }), 4000, heardAt);
  timeline.played({ itemId: "a", ms: 1000, ended: true, complete: false }, 4050);
  assert.deepEqual(
    timeline.inWords().map(({ ms, text }) => `${ms} ${text}`),
    [
      "500 You speak, for 1.0 s",
      "2010 turn ends",
      "3000 Reply is heard, for 1.1 s, cut at 1.0 s",
      "4000 interrupted (turn_detected)",
    ],
  );
});

const call = (name, call_id, status = "completed") => ({ type: "function_call", name, call_id, status, arguments: "{}" });
const output = (call_id, text) => ({ type: "conversation.item.create", item: { type: "function_call_output", call_id, output: text } });

test("a call of a tool with a made-up answer gets it, and the model answers", () => {
  const tools = new ToolAnswers();
  tools.put({ name: "weather", description: "", parameters: {}, output: '{"sky":"clear"}' });
  assert.deepEqual(tools.take(done({ output: [call("weather", "1")] })), [output("1", '{"sky":"clear"}'), { type: "response.create" }]);
  assert.deepEqual(tools.take(done({ output: [call("weather", "2", "incomplete")] })), []);
});

test("the model answers when the last call that waits for the user has its result", () => {
  const tools = new ToolAnswers();
  tools.put({ name: "weather", description: "", parameters: {}, output: "1" });
  assert.deepEqual(tools.take(done({ output: [call("weather", "1"), call("unknown", "2")] })), [output("1", "1")]);
  assert.deepEqual(tools.waiting.map(({ id }) => id), ["2"]);
  assert.deepEqual(tools.answer("2", "{}"), [output("2", "{}"), { type: "response.create" }]);
  assert.deepEqual(tools.answer("2", "{}"), []);
});

test("a tool of an MCP server waits for the user's approval", () => {
  const tools = new ToolAnswers();
  tools.take(done({ output: [{ type: "mcp_approval_request", id: "q", server_label: "dice", name: "roll", arguments: "{}" }] }));
  assert.deepEqual(tools.waiting, [{ kind: "approval", id: "q", server: "dice", name: "roll", arguments: "{}" }]);
  const item = { type: "mcp_approval_response", approval_request_id: "q", approve: true };
  assert.deepEqual(tools.approve("q", true), [{ type: "conversation.item.create", item }]);
});

test("a tool is checked before it is sent", () => {
  const entered = { name: "weather", description: "d", parameters: '{"type": "object"}', output: "{}", asks: false };
  assert.equal(readMock({ ...entered, name: "no spaces" }).field, "name");
  assert.equal(readMock({ ...entered, parameters: "[]" }).field, "parameters");
  assert.equal(readMock({ ...entered, output: "sunny" }).field, "output");
  const { mock } = readMock({ ...entered, output: "sunny", asks: true });
  assert.equal(mock.output, null);
});

test("a mock takes its own place among the tools of the session", () => {
  const tools = new ToolAnswers();
  const others = [{ type: "mcp", server_label: "dice" }, { type: "function", name: "mine" }];
  const weather = { type: "function", name: "weather", description: "d", parameters: { type: "object" } };
  tools.put({ name: "weather", description: "d", parameters: { type: "object" }, output: null });
  assert.deepEqual(tools.toolsIn([...others, { type: "function", name: "weather" }]), [weather, ...others]);
  tools.remove("weather");
  assert.deepEqual(tools.toolsIn([weather, ...others]), others);
});

test("the session is written as a program that needs to report no playback", () => {
  const audio = { input: { turn_detection: null } };
  const session = { instructions: 'Say "hi".\n', audio, streamsrv: { events: ["playback.hold", "words.timed"] } };
  const present = { url: "https://voice.example/", model: "m 1", session };
  const python = inPython(present);
  assert.match(python, /base_url="https:\/\/voice.example\/v1"/);
  assert.doesNotMatch(python, /playback.hold/);
  assert.ok(python.includes('"instructions": "Say \\"hi\\".\\n",\n    "audio": {"input": {"turn_detection": None}},'), python);
  assert.match(inJavaScript(present), /wss:\/\/voice.example\/v1\/realtime\?model=m%201/);
});

test("a copied program says what went wrong", () => {
  const present = { url: "https://voice.example/", model: "", session: {} };
  assert.match(inPython(present), /print\(event.type, event.error.message if event.type == "error" else ""\)/);
  const javascript = inJavaScript(present);
  assert.match(javascript, /console.log\(event.type, event.error\?.message \?\? ""\);/);
  assert.match(javascript, /socket.onerror = .*\n  console.error\(`No session at \$\{socket.url\}/);
});

test("the sound is followed unless something earlier is to be seen, and then it stays there", () => {
  assert.equal(rightEdge(8_500, 10_000, 15_000), null, "all of it is in sight");
  assert.equal(rightEdge(0, 10_000, 15_000), null);
  assert.equal(rightEdge(0, 40_000, 15_000), 15_000);
  assert.equal(rightEdge(30_000, 40_000, 15_000), 30_000);
  assert.equal(rightEdge(40_001, 40_000, 15_000), null);
  assert.equal(rightEdge(0, 700_000, 15_000), 115_000, "ten minutes are kept");
});

test("arrow keys move between tabs, but with Alt they are the browser's", () => {
  const tab = (name) => {
    const attributes = { "aria-controls": name };
    return Object.assign(new EventTarget(), { getAttribute: (key) => attributes[key], setAttribute: () => {}, focus: () => {} });
  };
  const tabs = [tab("session"), tab("tools")];
  const shown = [];
  globalThis.document ??= { getElementById: () => null };
  new Tabs({ querySelectorAll: () => tabs }, (panel) => shown.push(panel));
  const press = (keys) => tabs[0].dispatchEvent(Object.assign(new Event("keydown"), { ctrlKey: false, altKey: false, metaKey: false, ...keys }));
  press({ key: "ArrowRight", altKey: true });
  assert.deepEqual(shown, []);
  press({ key: "ArrowRight" });
  assert.deepEqual(shown, ["tools"]);
});
