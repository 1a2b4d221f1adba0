import assert from "node:assert/strict";
import { test } from "node:test";

import { PlayoutQueue } from "../../web/lib/playout-queue.js";

const QUANTUM = 128;

/** @param {number} n */
const ones = (n) => new Int16Array(n).fill(0x4000);

/** Pulls quanta; gives the rendered samples and the changes. */
function pull(queue, quanta = 1) {
  const output = new Float32Array(QUANTUM * quanta);
  const changes = [];
  for (let i = 0; i < quanta; i++) {
    const quantum = new Float32Array(QUANTUM);
    changes.push(...queue.pull(quantum));
    output.set(quantum, i * QUANTUM);
  }
  return { output, changes };
}

/** @param {Float32Array} output */
const audible = (output) => output.filter((sample) => sample !== 0).length;

test("audio is played in the order it came, across blocks", () => {
  const queue = new PlayoutQueue();
  queue.push("a", new Int16Array([0x2000, 0x4000]));
  queue.push("a", new Int16Array([0x6000]));
  assert.deepEqual([...pull(queue).output.slice(0, 4)], [0.25, 0.5, 0.75, 0]);
});

test("the first samples of an item are reported at once", () => {
  const queue = new PlayoutQueue();
  queue.push("a", ones(1000));
  assert.deepEqual(pull(queue).changes, [{ itemId: "a", samples: 128, ended: false, complete: false }]);
});

test("an item has ended when it is finished and its last sample was played", () => {
  const queue = new PlayoutQueue();
  queue.push("a", ones(200));
  assert.deepEqual(pull(queue, 3).changes.filter((change) => change.ended), []);
  queue.finish("a");
  assert.deepEqual(pull(queue).changes, [{ itemId: "a", samples: 200, ended: true, complete: true }]);
});

test("the next item begins in the same quantum", () => {
  const queue = new PlayoutQueue();
  queue.push("a", ones(100));
  queue.finish("a");
  queue.push("b", ones(100));
  const { output, changes } = pull(queue);
  assert.equal(audible(output), 128);
  assert.deepEqual(changes.map(({ itemId, samples, ended }) => [itemId, samples, ended]), [["a", 100, true], ["b", 28, false]]);
});

test("silence while audio is late is not counted", () => {
  const queue = new PlayoutQueue();
  queue.push("a", ones(100));
  pull(queue, 5);
  queue.push("a", ones(28));
  pull(queue);
  assert.equal(queue.position?.samples, 128);
});

test("a hold is silent after the quantum that fades out, and its samples count as played", () => {
  const queue = new PlayoutQueue();
  queue.push("a", ones(1280));
  pull(queue);
  queue.hold();
  const { output } = pull(queue, 3);
  assert.equal(audible(output.slice(QUANTUM)), 0);
  assert.ok(output[0] > output[QUANTUM - 2]);
  assert.equal(queue.position?.samples, 256);
});

test("resuming goes on with the sample after the last one played", () => {
  const queue = new PlayoutQueue();
  queue.push("a", Int16Array.from({ length: 512 }, (_, i) => i * 32));
  pull(queue);
  queue.hold();
  pull(queue, 7);
  queue.resume();
  pull(queue); // fades in
  assert.equal(pull(queue).output[0], (384 * 32) / 0x8000);
});

test("clearing is silent after one quantum, and says what was played of each item", () => {
  const queue = new PlayoutQueue();
  queue.push("a", ones(1000));
  queue.push("b", ones(1000));
  pull(queue);
  queue.clear();
  const { output, changes } = pull(queue, 2);
  assert.equal(audible(output.slice(QUANTUM)), 0);
  assert.deepEqual(changes, [
    { itemId: "a", samples: 256, ended: true, complete: false },
    { itemId: "b", samples: 0, ended: true, complete: false },
  ]);
});

test("what is cleared while it is held was not played further", () => {
  const queue = new PlayoutQueue();
  queue.push("a", ones(1000));
  pull(queue);
  queue.hold();
  pull(queue, 2);
  queue.clear();
  assert.deepEqual(pull(queue).changes, [{ itemId: "a", samples: 256, ended: true, complete: false }]);
});

test("after a clear, new audio plays at once and at full level", () => {
  const queue = new PlayoutQueue();
  queue.push("a", ones(1000));
  queue.hold();
  queue.clear();
  pull(queue);
  queue.push("b", ones(128));
  assert.equal(audible(pull(queue).output), 128);
});

test("every sample given is either played or dropped, whatever happens", () => {
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (let round = 0; round < 200; round++) {
    const queue = new PlayoutQueue();
    let played = 0;
    let heard = 0;
    for (let step = 0; step < 100; step++) {
      const dice = random();
      if (dice < 0.3) queue.push(`item${Math.floor(step / 10)}`, ones(Math.floor(random() * 400)));
      else if (dice < 0.35) queue.hold();
      else if (dice < 0.4) queue.resume();
      else if (dice < 0.42) queue.clear();
      else if (dice < 0.5) queue.finish(`item${Math.floor(step / 10)}`);
      const before = queue.position;
      const { output, changes } = pull(queue);
      heard += audible(output);
      for (const change of changes) if (change.ended) played += change.samples;
      const now = queue.position;
      if (before && now && before.itemId === now.itemId) assert.ok(now.samples >= before.samples);
    }
    queue.clear();
    for (const change of pull(queue).changes) played += change.samples;
    assert.ok(heard <= played && heard >= played - 200, `${heard} of ${played}`); // fades end in one silent sample each
  }
});
