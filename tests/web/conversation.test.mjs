import assert from "node:assert/strict";
import { test } from "node:test";

import { Conversation } from "../../web/lib/conversation.js";
import { Emitter } from "../../web/lib/emitter.js";

/** A link that is open or not, and remembers what went over it. */
class FakeLink extends Emitter {
  open = true;
  answering = false;
  sent = [];
  send({ type, item }) {
    this.sent.push(item ? item.content[0].text : type);
  }
  requestAnswer() {
    this.answering = true;
    this.sent.push("answer?");
  }
}

function conversation(link = new FakeLink()) {
  const talked = new Conversation(link);
  const shown = () => talked.transcript.messages.map(({ text }) => text);
  const answered = () => {
    link.answering = false;
    talked.next();
  };
  return { link, talked, shown, answered };
}

test("messages that are written while connecting are shown at once, in their order", () => {
  const { link, talked, shown } = conversation();
  link.open = false;
  talked.ask("First.");
  talked.ask("Second.");
  assert.deepEqual([shown(), link.sent], [["First.", "Second."], []]);
});

test("every message is asked for itself, after the answer before it", () => {
  const { link, talked, answered } = conversation();
  link.open = false;
  for (const text of ["First.", "Second.", "Third."]) talked.ask(text);
  link.open = true;
  talked.next();
  assert.deepEqual(link.sent, ["First.", "answer?"]);
  answered();
  answered();
  assert.deepEqual(link.sent, ["First.", "answer?", "Second.", "answer?", "Third.", "answer?"]);
  answered();
  assert.equal(link.sent.length, 6);
});

test("a message that was written while another is answered waits for that answer", () => {
  const { link, talked, answered } = conversation();
  talked.ask("First.");
  talked.ask("Second.");
  assert.deepEqual(link.sent, ["First.", "answer?"]);
  answered();
  assert.deepEqual(link.sent.slice(2), ["Second.", "answer?"]);
});

test("an answer that was lost with its connection is asked for again, before what came later", () => {
  const { link, talked, answered } = conversation();
  talked.ask("First.");
  Object.assign(link, { open: false, answering: false, sent: [] });
  talked.interrupted(false, true);
  talked.ask("Second.");
  link.open = true;
  talked.next();
  assert.deepEqual(link.sent, ["answer?"]);
  answered();
  assert.deepEqual(link.sent, ["answer?", "Second.", "answer?"]);
});

test("an answer that failed is asked for again, and its message goes", () => {
  const { link, talked, shown, answered } = conversation();
  talked.ask("Why?");
  talked.take({ type: "response.done", response: { id: "r", status: "failed", output: [] } });
  answered();
  assert.equal(talked.transcript.messages.length, 2);
  talked.retry("r");
  assert.deepEqual([shown(), link.sent.at(-1)], [["Why?"], "answer?"]);
});

test("an answer that the server began by itself is waited for", () => {
  const { link, talked, answered } = conversation();
  link.answering = true;
  talked.owe({ later: true });
  assert.deepEqual(link.sent, []);
  answered();
  assert.deepEqual(link.sent, ["answer?"]);
});

test("an interrupted reply is not asked for again", () => {
  const { link, talked, answered } = conversation();
  talked.owe({ later: true });
  talked.forget();
  answered();
  assert.deepEqual(link.sent, []);
});
