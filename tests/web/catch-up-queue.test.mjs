import assert from "node:assert/strict";
import { test } from "node:test";

import { CatchUpQueue } from "../../web/lib/catch-up-queue.js";

const BLOCK = 480; // samples of 20 ms
let counter = 0;

/** A block of a sound with this amplitude; no two are alike. */
function block(amplitude) {
  counter += 1;
  return new Float32Array(BLOCK).map((_, i) => amplitude * Math.sin(i * 0.3 + counter));
}

const blocks = (count, amplitude) => Array.from({ length: count }, () => block(amplitude));

/** What is played of these blocks, in quanta of 128 samples, until it has caught up. */
function played(given, queue = new CatchUpQueue()) {
  for (const each of given) queue.push(each);
  const samples = [];
  for (let quantum = 0; !queue.caughtUp && quantum < 100_000; quantum++) {
    const output = new Float32Array(128);
    queue.read(output);
    samples.push(...output);
  }
  return samples;
}

const flat = (given) => given.flatMap((each) => [...each]);

test("what was said is played as it was said", () => {
  const speech = blocks(50, 0.2);
  assert.deepEqual(played(speech).slice(0, speech.length * BLOCK), flat(speech));
});

test("speech from the first sample on is not taken for silence", () => {
  const quiet = blocks(200, 0.02);
  assert.deepEqual(played(quiet).slice(0, quiet.length * BLOCK), flat(quiet));
});

test("a long pause becomes a short one", () => {
  const [before, pause, after] = [blocks(10, 0.2), blocks(100, 0), blocks(10, 0.2)];
  const samples = played([...before, ...pause, ...after]);
  const kept = samples.length - 20 * BLOCK;
  assert.ok(kept >= 200 * 24 && kept < 400 * 24, `${kept / 24} ms`);
  assert.deepEqual(samples.slice(0, 10 * BLOCK), flat(before));
});

test("a short pause stays as it is", () => {
  const said = [...blocks(10, 0.2), ...blocks(10, 0), ...blocks(10, 0.2)];
  assert.deepEqual(played(said).slice(0, said.length * BLOCK), flat(said));
});

test("a pause in a noisy room is a pause, too", () => {
  const said = [...blocks(10, 0.2), ...blocks(100, 0.003), ...blocks(10, 0.2)];
  assert.ok(played(said).length < 40 * BLOCK);
});

test("nothing is caught up in the middle of a word", () => {
  const queue = new CatchUpQueue();
  const output = new Float32Array(BLOCK);
  for (const each of blocks(10, 0.2)) {
    queue.push(each);
    queue.read(output);
    assert.equal(queue.caughtUp, false);
  }
  queue.push(block(0));
  queue.read(output);
  assert.equal(queue.caughtUp, true);
});

test("when nothing comes any more it has caught up", () => {
  assert.ok(played(blocks(10, 0.2)).length < 30 * BLOCK);
});
