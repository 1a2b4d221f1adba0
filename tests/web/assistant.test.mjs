import assert from "node:assert/strict";
import { test } from "node:test";

import { conversationFile } from "../../web/assistant/conversation-file.js";
import { inParts, PcmJoiner } from "../../web/assistant/replay-parts.js";
import { inDollars } from "../../web/assistant/dollars.js";
import { bars, ticks, totalMs } from "../../web/assistant/waterfall.js";

const latency = { turn_ended_ms: 300, transcript_ms: 320, first_token_ms: 250, first_audio_ms: 400, played_ms: 450 };

test("each bar begins where the stage before it was reached", () => {
  const chart = bars(latency);
  assert.deepEqual(chart.map(({ fromMs }) => fromMs), [0, ...chart.map(({ toMs }) => toMs).slice(0, -1)]);
});

test("a stage that ran ahead of the end of the turn comes first", () => {
  assert.deepEqual(bars(latency).map(({ stage }) => stage), [3, 1, 2, 5, 6]);
});

test("a stage that was reached while the user still spoke cost no waiting", () => {
  assert.deepEqual(bars({ first_token_ms: -80, turn_ended_ms: 200 }).map(({ fromMs, toMs }) => [fromMs, toMs]), [[0, 0], [0, 200]]);
});

test("the total is when the first sound was played", () => {
  assert.equal(totalMs(bars(latency)), 450);
  assert.equal(totalMs([]), 0);
});

test("the grid covers the chart with few lines", () => {
  for (const total of [1, 90, 450, 1234, 9876, 60_000]) {
    const times = ticks(total);
    assert.ok(times.length <= 6 && (times.at(-1) ?? 0) >= total, `${total}: ${times}`);
  }
});

const said = [
  { id: "u", role: "user", status: "done", text: "Count.", tentative: "", spoken: true, lit: 0, at: 0 },
  { id: "a", role: "assistant", status: "cut", text: "One two three.", tentative: "", spoken: true, lit: 7, at: 1000 },
];

process.env.TZ = "UTC"; // files have local times
const origin = { server: "voice.example.org", model: "smollm2-135m" };

test("a downloaded text says when and where it was said, by whom, and what was not heard", () => {
  assert.equal(
    conversationFile(said, "text", origin),
    "Conversation of 1970-01-01\nServer: voice.example.org\nModel: smollm2-135m\n\n" +
      "[00:00:00] You: Count.\n\n[00:00:01] Assistant: One two [not heard: three.]\n",
  );
});

test("a message of another day has its date", () => {
  const later = [said[0], { ...said[1], at: 86_400_000 }];
  assert.match(conversationFile(later, "text", origin), /\[1970-01-02 00:00:00\] Assistant/);
});

test("the models that answered are named, not the one that would", () => {
  const answered = [{ ...said[1], answer: { model: "a" } }, { ...said[1], answer: { model: "b" } }, { ...said[1], answer: { model: "a" } }];
  assert.match(conversationFile(answered, "text", origin), /Model: a, b\n/);
  assert.doesNotMatch(conversationFile(said, "text", { ...origin, model: "" }), /Model/);
});

test("a downloaded Markdown strikes what was not heard", () => {
  assert.equal(
    conversationFile(said, "markdown", origin),
    "# Conversation of 1970-01-01\n\n- Server: voice.example.org\n- Model: smollm2-135m\n\n" +
      "**You** (00:00:00)\n\nCount.\n\n**Assistant** (00:00:01)\n\nOne two ~~three.~~\n",
  );
});

test("a downloaded JSON can be read by programs", () => {
  const { messages, ...head } = JSON.parse(conversationFile(said, "json", origin));
  assert.deepEqual(head, { began: "1970-01-01T00:00:00.000Z", ...origin });
  assert.deepEqual(messages[1], { at: "1970-01-01T00:00:01.000Z", role: "assistant", heard: "One two", unheard: "three." });
});

test("a written reply that was stopped has no unheard part", () => {
  const written = [{ ...said[1], spoken: false, lit: 0 }];
  assert.match(conversationFile(written, "text", origin), /Assistant: One two three\.\n/);
});

test("a long reply is played in parts that end with a sentence, and no word is lost", () => {
  const text = "A sentence that is said. ".repeat(400).trim();
  const parts = inParts(text);
  assert.ok(parts.every((part) => part.length <= 4096 && part.endsWith(".")));
  assert.equal(parts.join(" "), text);
  assert.deepEqual(inParts(" "), []);
  assert.equal(inParts("x".repeat(5000)).join(""), "x".repeat(5000));
});

test("samples are whole, however their bytes come", () => {
  const joiner = new PcmJoiner();
  const bytes = new Uint8Array(new Int16Array([1, -2, 3]).buffer);
  const samples = [bytes.slice(0, 3), bytes.slice(3, 4), bytes.slice(4)].flatMap((piece) => [...joiner.add(piece)]);
  assert.deepEqual(samples, [1, -2, 3]);
});

test("what an answer cost is written as an amount, or that it is not known", () => {
  assert.equal(inDollars({ usd: 0.00123 }), "$0.0012");
  assert.equal(inDollars({ usd: 0.000046, estimated: true }), "about $0.000046");
  assert.equal(inDollars({ usd: 0.25 }), "$0.25");
  assert.equal(inDollars({ usd: 0 }), "free");
  assert.equal(inDollars({ usd: 0, estimated: true }), "free");
  assert.equal(inDollars({ usd: 0, unpriced: true }), "price not known");
  assert.equal(inDollars({ usd: 0.01, unpriced: true }), "more than $0.01");
  assert.equal(inDollars({ usd: 1e-9 }), "less than $0.000001");
});
