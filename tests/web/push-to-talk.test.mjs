import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { PushToTalk } from "../../web/lib/push-to-talk.js";

/** Remembers what was sent. */
class FakeLink {
  open = true;
  carriesAudio = false;
  sent = [];
  send({ type }) {
    this.sent.push(type);
  }
}

function pressedFor(ms, link = new FakeLink()) {
  let now = 1000;
  mock.method(performance, "now", () => now);
  const button = new PushToTalk(link);
  button.press();
  now += ms;
  return { button, link };
}

test("what is said while it is pressed is a turn", async () => {
  const { button, link } = pressedFor(900);
  assert.equal(await button.release(), true);
  assert.deepEqual(link.sent, ["input_audio_buffer.clear", "input_audio_buffer.commit"]);
  assert.equal(button.pressed, false);
});

test("a tap is no turn", async () => {
  const { button, link } = pressedFor(100);
  assert.equal(await button.release(), false);
  assert.deepEqual(link.sent, ["input_audio_buffer.clear"]);
});

test("two events of letting go end one turn", async () => {
  const { button, link } = pressedFor(900);
  link.carriesAudio = true;
  const [first, second] = await Promise.all([button.release(), button.release()]);
  assert.deepEqual([first, second], [true, false]);
});

test("a button that was let go without a connection can be pressed again", async () => {
  const { button, link } = pressedFor(900);
  link.open = false;
  assert.equal(await button.release(), false);
  assert.equal(button.pressed, false);
});
