import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { PushToTalk } from "../../web/lib/push-to-talk.js";

/** Remembers what was sent. */
class FakeLink {
  open = true;
  carriesAudio = false;
  sent = [];
  opened = Promise.withResolvers?.() ?? resolvers();
  async whenOpen() {
    return this.open || this.opened.promise;
  }
  async caughtUp() {}
  beginTurn() {
    this.sent.push("begin");
  }
  dropTurn() {
    this.sent.push("drop");
  }
  send({ type }) {
    this.sent.push(type);
  }
  /** The connection that was being made is there, or will never be. */
  connect(open = true) {
    this.open = open;
    this.opened.resolve(open);
  }
}

function resolvers() {
  let resolve;
  const promise = new Promise((given) => (resolve = given));
  return { promise, resolve };
}

let now = 1000;
beforeEach(() => mock.method(performance, "now", () => now));

function hold(button, ms, { heard = ms / 20 } = {}) {
  button.press();
  now += ms;
  for (let block = 0; block < heard; block++) button.heard();
}

function held(ms, how, link = new FakeLink()) {
  const button = new PushToTalk(link);
  hold(button, ms, how);
  return { button, link };
}

test("what is said while it is pressed is a turn", async () => {
  const { button, link } = held(900);
  assert.equal(await button.release(), "sent");
  assert.deepEqual(link.sent, ["begin", "input_audio_buffer.commit"]);
  assert.equal(button.pressed, false);
});

test("a tap is no turn", async () => {
  const { button, link } = held(100);
  assert.equal(await button.release(), "none");
  assert.deepEqual(link.sent, ["begin", "drop"]);
});

test("a turn in which nothing was heard is not sent", async () => {
  const { button, link } = held(900, { heard: 0 });
  assert.equal(await button.release(), "silent");
  assert.deepEqual(link.sent, ["begin", "drop"]);
});

test("two events of letting go end one turn", async () => {
  const { button, link } = held(900);
  link.carriesAudio = true;
  const turns = await Promise.all([button.release(), button.release()]);
  assert.deepEqual(turns, ["sent", "none"]);
});

test("a turn that ends before there is a connection is sent over it", async () => {
  const { button, link } = held(900, {}, Object.assign(new FakeLink(), { open: false }));
  const released = button.release();
  assert.equal(button.pressed, false);
  link.connect();
  assert.equal(await released, "sent");
});

test("a button that is pressed again before there is a connection goes on with the same turn", async () => {
  const { button, link } = held(900, {}, Object.assign(new FakeLink(), { open: false }));
  const first = button.release();
  hold(button, 900);
  link.connect();
  assert.equal(await first, "none");
  assert.equal(await button.release(), "sent");
  assert.deepEqual(link.sent, ["begin", "input_audio_buffer.commit"]);
});

test("a button that was let go without a connection can be pressed again", async () => {
  const { button, link } = held(900, {}, Object.assign(new FakeLink(), { open: false }));
  const released = button.release();
  link.connect(false);
  assert.equal(await released, "none");
  link.open = true;
  hold(button, 900);
  assert.equal(await button.release(), "sent");
});
