import assert from "node:assert/strict";
import { test } from "node:test";

import { Expiry } from "../../web/lib/expiry.js";
import { UtteranceAudio } from "../../web/lib/utterance-audio.js";

/** What an hour's session does from its notice on, asked each 100 ms. */
function firstReplacement(quietAt) {
  const expiry = new Expiry(0, 60_000);
  for (let now = 0; now <= 60_000; now += 100) {
    const decision = expiry.check(now, quietAt(now));
    if (decision !== "stay") return { decision, now };
  }
  return null;
}

test("a session that is about to end is replaced as soon as it is quiet for a while", () => {
  const { decision, now } = firstReplacement((at) => at >= 5000);
  assert.equal(decision, "replace");
  assert.ok(now > 5000 && now < 6500, `${now}`);
});

test("a breath is no quiet moment", () => {
  const { decision } = firstReplacement((at) => at % 1000 < 500);
  assert.equal(decision, "replace_at_once");
});

test("while somebody speaks the session stays as long as it can, and is replaced before its end", () => {
  const { decision, now } = firstReplacement(() => false);
  assert.equal(decision, "replace_at_once");
  assert.ok(now > 40_000 && now <= 55_000, `${now}`);
});

test("captions are split at a pause between two words rather than in a word", () => {
  const expiry = new Expiry(0, 60_000);
  assert.equal(expiry.check(10_000, false, true), "stay", "there may be a better moment");
  assert.equal(expiry.check(30_000, false, false), "stay");
  assert.equal(expiry.check(30_100, false, true), "replace_at_once");
});

test("a pause between two words is silence of some length", () => {
  const audio = new UtteranceAudio();
  const pauses = [3000, 100, 3000].map((loudness) => {
    for (let i = 0; i < 8; i++) audio.push(pcm(loudness), i);
    return audio.pauses;
  });
  assert.deepEqual(pauses, [false, true, false]);
});

test("after a failure the server is left alone for a while", () => {
  const expiry = new Expiry(0, 60_000);
  expiry.check(0, true);
  assert.equal(expiry.check(1000, true), "replace");
  expiry.failed(1000);
  assert.equal(expiry.check(1100, true), "stay");
  assert.equal(expiry.check(4000, true), "replace");
});

test("a session of seconds is replaced before its end, too", () => {
  const expiry = new Expiry(0, 2000);
  assert.equal(expiry.check(500, false), "stay");
  assert.equal(expiry.check(1500, false), "replace_at_once");
});

const pcm = (value) => new Int16Array(480).fill(value);
const started = { type: "input_audio_buffer.speech_started", item_id: "a" };
const committed = { type: "input_audio_buffer.committed", item_id: "a" };
const completed = { type: "conversation.item.input_audio_transcription.completed", item_id: "a" };

/** Audio that was sent for so long, 20 ms each with its number. */
function sent(ms, audio = new UtteranceAudio(), from = 0) {
  for (let at = from; at < from + ms; at += 20) audio.push(pcm(at / 20), at);
  return audio;
}

const first = (blocks) => blocks[0]?.[0];

test("an utterance in progress is heard again from its beginning", () => {
  const audio = sent(5000);
  audio.follow(started, 5000);
  sent(6000, audio, 5000);
  const blocks = audio.take(10_900);
  assert.ok(first(blocks) * 20 <= 4500, "from before the server told of it");
  assert.ok(first(blocks) * 20 >= 3500, "not what was said long before");
  assert.equal(blocks.at(-1)[0], 549);
});

test("what was understood is not heard again", () => {
  const audio = sent(5000);
  audio.follow(started, 1000);
  audio.follow(committed, 4900);
  assert.equal(first(audio.take(4980)), 249);
});

test("a turn that ended is not heard again, but for the pause in which it ended", () => {
  const audio = sent(5000);
  audio.follow(started, 3000);
  audio.follow(committed, 5000);
  assert.equal(first(audio.take(4000)), (5000 - 150 + 10) / 20);
});

test("what is said right after a turn is heard again", () => {
  const audio = sent(5000);
  audio.follow(started, 3000);
  audio.follow(committed, 5000);
  sent(500, audio, 5000);
  assert.equal(audio.take(4500).at(-1)[0], 274);
});

test("what is said stays busy until it is written down", () => {
  const audio = sent(100);
  const busy = [];
  for (const event of [started, committed, completed]) {
    audio.follow(event, 100);
    busy.push(audio.busy);
  }
  assert.deepEqual(busy, [true, true, false]);
});

test("a turn of the button is kept as a whole, and nothing from before it", () => {
  const audio = sent(1000);
  audio.begin();
  sent(3000, audio, 1000);
  const blocks = audio.take(Infinity);
  assert.deepEqual([first(blocks), blocks.length], [50, 150]);
});

test("what is kept of a monologue is bounded", () => {
  const audio = new UtteranceAudio();
  audio.follow(started, 0);
  sent(60_000, audio);
  assert.equal(audio.take(0).length, 600);
});
