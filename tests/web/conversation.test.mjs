import assert from "node:assert/strict";
import { test } from "node:test";

import { Conversation } from "../../web/lib/conversation.js";
import { Emitter } from "../../web/lib/emitter.js";

/** A link that is open or not, and remembers what went over it. */
class FakeLink extends Emitter {
  open = true;
  answering = false;
  sent = [];
  send({ type, item, item_id }) {
    this.sent.push(item ? item.content[0].text : item_id ? `delete ${item_id}` : type);
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

/** A reply of the server, complete. */
function reply(talked, id, text) {
  talked.take({ type: "response.output_item.added", response_id: `r-${id}`, item: { id, type: "message" } });
  talked.take({ type: "response.output_text.delta", item_id: id, delta: text });
  talked.take({ type: "response.done", response: { id: `r-${id}`, status: "completed", output: [{ id, type: "message" }] } });
}

test("another answer is asked for in place of a finished one, which the server forgets", () => {
  const { link, talked, shown, answered } = conversation();
  talked.ask("Why?");
  reply(talked, "a", "Because.");
  answered();
  link.sent = [];
  talked.retry("a");
  assert.deepEqual([shown(), link.sent], [["Why?"], ["delete a", "answer?"]]);
});

test("a message that is asked in other words takes all that came after it away", () => {
  const { link, talked, shown, answered } = conversation();
  for (const [id, text] of [["u1", "First."], ["u2", "Second."]]) {
    talked.ask(text, { id });
    reply(talked, `a${id}`, "So.");
    answered();
  }
  link.sent = [];
  talked.edit("u1", "Other.");
  assert.deepEqual(shown(), ["Other."]);
  assert.deepEqual(link.sent, ["delete u1", "delete au1", "delete u2", "delete au2", "Other.", "answer?"]);
});

test("an answer that is interrupted by other words is over before they are asked, and is removed whole", () => {
  const { link, talked, shown, answered } = conversation();
  talked.ask("First.", { id: "u" });
  link.sent = [];
  talked.edit("u", "Other.");
  assert.deepEqual([shown(), link.sent], [["Other."], []]);
  reply(talked, "late", "Too la");
  answered();
  assert.deepEqual([shown(), link.sent], [["Other."], ["delete u", "delete late", "Other.", "answer?"]]);
});

test("a session that begins after items were removed is not told to forget them", () => {
  const { link, talked } = conversation();
  talked.ask("First.", { id: "u" });
  Object.assign(link, { open: false, answering: false, sent: [] });
  talked.edit("u", "Other.");
  talked.interrupted(false, false);
  link.open = true;
  talked.next();
  assert.deepEqual(link.sent, ["Other.", "answer?"]);
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
