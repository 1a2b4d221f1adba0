import assert from "node:assert/strict";
import { test } from "node:test";

import { CaptionText, textOf } from "../../web/captions/caption-text.js";
import { EventStream } from "../../web/captions/event-stream.js";
import { statusText } from "../../web/captions/status-text.js";

const partial = (id, stable, tentative = "", start = 0, speaker = "") => ({ item_id: id, stable, tentative, start, speaker });
const final = (id, text, start = 0, end = start + 1, speaker = "") => ({ item_id: id, text, start, end, speaker });
const shown = (text) => text.paragraphs.map(({ utterances }) => utterances.map(textOf).filter(Boolean).join(" "));

test("events are read however they are cut", () => {
  const text = 'event: final\r\nid: k-1\r\ndata: {"a":1}\r\n\r\n:\n\ndata: one\ndata: two\n\n';
  for (let size = 1; size <= text.length; size += 1) {
    const stream = new EventStream();
    const events = [];
    for (let at = 0; at < text.length; at += size) events.push(...stream.push(text.slice(at, at + size)));
    assert.deepEqual(events, [
      { type: "final", data: '{"a":1}' },
      { type: "message", data: "one\ntwo" },
    ]);
    assert.equal(stream.lastEventId, "k-1");
  }
});

test("what was cut off is forgotten, and the place is kept", () => {
  const stream = new EventStream();
  stream.push("event: final\nid: k-7\ndata: 1\n\nevent: partial\ndata: 2");
  stream.restart();
  assert.deepEqual(stream.push("data: 3\n\n"), [{ type: "message", data: "3" }]);
  assert.equal(stream.lastEventId, "k-7");
});

test("a text grows, and its final wording takes its place", () => {
  const text = new CaptionText();
  text.showPartial(partial("a", "it was", "the beast"));
  text.showPartial(partial("a", "it was the", "best of"));
  assert.deepEqual(shown(text), ["it was the best of"]);
  text.showFinal(final("a", "It was the best of times."));
  assert.deepEqual(shown(text), ["It was the best of times."]);
});

test("texts stay in the paragraph they began in", () => {
  const text = new CaptionText();
  text.showFinal(final("a", "One.", 0, 1));
  text.showPartial(partial("b", "two", "", 2));
  text.showPartial(partial("c", "far", "", 60));
  text.showFinal(final("b", "Two, which took until after the other had begun.", 2, 70));
  assert.deepEqual(shown(text), ["One. Two, which took until after the other had begun.", "far"]);
});

test("another speaker, or a pause, begins a paragraph", () => {
  const text = new CaptionText();
  text.showFinal(final("a", "One.", 0, 1, "Ann"));
  text.showFinal(final("b", "Two.", 1, 2, "Bob"));
  text.showFinal(final("c", "Three.", 6, 7, "Bob"));
  assert.deepEqual(shown(text), ["One.", "Two.", "Three."]);
});

test("a translation begins a paragraph of its own, which says so", () => {
  const text = new CaptionText();
  text.showFinal(final("a", "Guten Tag.", 0, 1));
  text.showPartial({ ...partial("b", "good", "day", 1), translated_to: "en" });
  text.showFinal({ ...final("b", "Good day.", 1, 2), translated_to: "en" });
  text.showFinal({ ...final("c", "Goodbye.", 2, 3), translated_to: "en" });
  assert.deepEqual(shown(text), ["Guten Tag.", "Good day. Goodbye."]);
  assert.deepEqual(text.paragraphs.map(({ translatedTo }) => translatedTo), ["", "en"]);
});

test("a long paragraph ends with a sentence", () => {
  const text = new CaptionText();
  text.showFinal(final("a", "word ".repeat(100).trim(), 0, 1));
  text.showFinal(final("b", "the end.", 1, 2));
  text.showFinal(final("c", "Next.", 2, 3));
  assert.equal(text.paragraphs.length, 2);
  assert.equal(shown(text)[1], "Next.");
});

test("what turned out to be nothing is not shown", () => {
  const text = new CaptionText();
  text.showPartial(partial("a", "", "uh"));
  text.showFinal(final("a", ""));
  assert.deepEqual(shown(text), [""]);
});

test("a room that begins anew leaves what is shown, and marks where", () => {
  const text = new CaptionText();
  text.showFinal(final("a", "Before.", 100, 101));
  text.showPartial(partial("b", "cut", "off", 102));
  assert.equal(text.restart().length, 1);
  text.showFinal(final("a", "After.", 0, 1));
  assert.deepEqual(shown(text), ["Before. cut off", "After."]);
  assert.deepEqual(text.paragraphs.map(({ restarted }) => restarted), [false, true]);
});

test("words of scripts without spaces are joined without one", () => {
  assert.equal(textOf({ stable: "你好", tentative: "世界" }), "你好世界");
});

test("viewers are told whether somebody speaks", () => {
  const told = (status, live, key, paused = 0) => statusText(status, { live, paused, key }).text;
  assert.equal(told("open", 1, "k"), "Live");
  assert.equal(told("open", 2, "k", 1), "Live");
  assert.equal(told("open", 1, "k", 1), "Paused");
  assert.equal(told("open", 0, "k"), "The speaker has left");
  assert.equal(told("open", 0, ""), "Waiting for the speaker");
  assert.equal(told("reconnecting", 1, "k"), "Connection lost");
});
