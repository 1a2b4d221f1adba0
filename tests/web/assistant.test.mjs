import assert from "node:assert/strict";
import { test } from "node:test";

import { conversationFile } from "../../web/assistant/conversation-file.js";
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

test("a downloaded text says what was not heard", () => {
  assert.equal(conversationFile(said, "text"), "You: Count.\nAssistant: One two [not heard: three.]\n");
});

test("a downloaded Markdown strikes what was not heard", () => {
  assert.equal(conversationFile(said, "markdown"), "**You:** Count.\n\n**Assistant:** One two ~~three.~~\n");
});

test("a downloaded JSON can be read by programs", () => {
  assert.deepEqual(JSON.parse(conversationFile(said, "json"))[1], {
    at: "1970-01-01T00:00:01.000Z",
    role: "assistant",
    heard: "One two",
    unheard: "three.",
  });
});

test("a written reply that was stopped has no unheard part", () => {
  const written = [{ ...said[1], spoken: false, lit: 0 }];
  assert.equal(conversationFile(written, "text"), "Assistant: One two three.\n");
});

test("what an answer cost is written as an amount, or that it is not known", () => {
  assert.equal(inDollars({ usd: 0.00123 }), "$0.0012");
  assert.equal(inDollars({ usd: 0.000046, estimated: true }), "about $0.000046");
  assert.equal(inDollars({ usd: 0.25 }), "$0.25");
  assert.equal(inDollars({ usd: 0 }), "free");
  assert.equal(inDollars({ usd: 0, unpriced: true }), "price not known");
  assert.equal(inDollars({ usd: 0.01, unpriced: true }), "more than $0.01");
  assert.equal(inDollars({ usd: 1e-9 }), "less than $0.000001");
});
