import assert from "node:assert/strict";
import { test } from "node:test";

import { Liveness } from "../../web/lib/liveness.js";

test("a connection that is heard from is never asked", () => {
  const liveness = new Liveness();
  for (let now = 0; now < 60_000; now += 1000) {
    liveness.heard();
    assert.equal(liveness.check(now), "alive");
  }
});

test("after five silent seconds it asks, once", () => {
  const liveness = new Liveness();
  assert.equal(liveness.check(1000), "alive");
  assert.equal(liveness.check(5999), "alive");
  assert.equal(liveness.check(6000), "ask");
  assert.equal(liveness.check(7000), "waiting");
});

test("an answer means that it lives", () => {
  const liveness = new Liveness();
  liveness.check(0);
  assert.equal(liveness.check(5000), "ask");
  liveness.heard();
  assert.equal(liveness.check(14_000), "alive");
});

test("ten seconds without an answer mean that it is lost", () => {
  const liveness = new Liveness();
  liveness.check(0);
  assert.equal(liveness.check(5000), "ask");
  assert.equal(liveness.check(14_999), "waiting");
  assert.equal(liveness.check(15_000), "lost");
});

test("a page that slept asks before it gives up", () => {
  const liveness = new Liveness();
  liveness.check(0);
  assert.equal(liveness.check(600_000), "ask");
});
