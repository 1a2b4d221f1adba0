import assert from "node:assert/strict";
import { test } from "node:test";

import {
  finished,
  keptMessages,
  MAX_CONVERSATIONS,
  mentions,
  olderHalf,
  readMessages,
  summaryOf,
  superfluous,
  titleOf,
} from "../../web/assistant/kept-conversation.js";

let ids = 0;
function message(role, text, more = {}) {
  return { id: `m${++ids}`, role, status: "done", text, tentative: "", spoken: false, lit: 0, at: ids, ...more };
}
const said = (text, more) => message("user", text, more);
const replied = (text, more) => message("assistant", text, more);
const summary = (id, changedAt, characters = 10) => ({ id, title: id, at: 0, changedAt, count: 1, characters });

test("a message in progress is kept as it would be if nothing more came of it", () => {
  const kept = keptMessages([
    said("Tell me", { status: "hearing", tentative: "more", spoken: true }),
    replied("Half of an", { status: "in_progress" }),
    said("Not sent yet", { status: "pending" }),
    said("", { status: "hearing", spoken: true }),
  ]);
  assert.deepEqual(
    kept.map(({ status, text, tentative }) => [status, text, tentative]),
    [
      ["done", "Tell me more", ""],
      ["cut", "Half of an", ""],
      ["pending", "Not sent yet", ""],
    ],
  );
});

test("of a long conversation the newest messages are kept", () => {
  const many = Array.from({ length: 1500 }, (_, i) => said(`${i}`));
  assert.deepEqual([keptMessages(many).length, keptMessages(many).at(-1).text], [1000, "1499"]);
  const long = ["a", "b", "c", "d"].map((letter) => said(letter.repeat(100_000)));
  assert.deepEqual(keptMessages(long).map(({ text }) => text[0]), ["b", "c", "d"]);
});

test("what is kept can be stored and read again; what is no message is left out", () => {
  const kept = keptMessages([said("Hello."), replied("Hi.", { answer: { model: "m" }, latency: { played_ms: 3 } })]);
  const stored = structuredClone(kept);
  assert.deepEqual(readMessages([...stored, null, { id: 3 }, { ...stored[0], status: "other" }, { ...stored[0], text: 1 }]), kept);
  assert.deepEqual([readMessages(undefined), readMessages("x")], [[], []]);
});

test("a conversation is called by the first words of the user", () => {
  assert.equal(titleOf([replied("Welcome!"), said("  What\nis this? ")]), "What is this?");
  assert.equal(titleOf([replied("Welcome!")]), "Welcome!");
  assert.equal(titleOf([]), "Without words");
  assert.equal(titleOf([said("word ".repeat(40))]), `${"word ".repeat(12).trim()}…`);
  assert.equal(titleOf([said("x".repeat(90))]), `${"x".repeat(60)}…`);
});

test("a summary counts messages and characters", () => {
  const first = said("Hello.");
  assert.deepEqual(summaryOf("id", [first, replied("Hi.")], 99), {
    id: "id",
    title: "Hello.",
    at: first.at,
    changedAt: 99,
    count: 2,
    characters: 9,
  });
});

test("the oldest conversations go when there are too many or they are too long, and never the current one", () => {
  const many = Array.from({ length: MAX_CONVERSATIONS + 2 }, (_, i) => summary(`c${i}`, i));
  assert.deepEqual(superfluous(many, "c50"), ["c1", "c0"]);
  assert.deepEqual(superfluous(many, "c0"), ["c1"]);
  assert.deepEqual(superfluous([summary("new", 3, 3e6), summary("mid", 2, 3e6), summary("old", 1)], "new"), ["mid", "old"]);
  assert.deepEqual(superfluous([summary("a", 1)], ""), []);
});

test("the older half makes space, without the current one", () => {
  const all = [summary("a", 1), summary("b", 2), summary("c", 3), summary("now", 0)];
  assert.deepEqual(olderHalf(all, "now"), ["b", "a"]);
  assert.deepEqual(olderHalf([summary("now", 0)], "now"), []);
});

test("a search finds each of its words, in any message and case", () => {
  const talked = [said("The Brooklyn Bridge"), replied("It opened in 1883.")];
  assert.ok(mentions(talked, "brooklyn 1883"));
  assert.ok(!mentions(talked, "brooklyn 1884"));
});

test("a conversation is kept again when a message is finished or goes, not while one grows or is spoken", () => {
  const talked = [said("Hello."), replied("", { status: "in_progress", spoken: true })];
  const before = finished(talked);
  Object.assign(talked[1], { text: "Hi there.", status: "done", lit: 3 });
  assert.equal(finished(talked), before);
  talked[1].lit = 9;
  assert.notEqual(finished(talked), before);
  assert.equal(finished(talked.slice(0, 1)), before);
  assert.notEqual(finished([{ ...talked[0], status: "failed" }]), before);
});
