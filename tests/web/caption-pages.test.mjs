/** The pure parts of the caption pages that are not the text itself. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Backoff } from "../../web/lib/backoff.js";
import { findWords, MAX_MATCHES } from "../../web/captions/caption-search.js";
import { clockText } from "../../web/captions/clock-text.js";
import { debounced } from "../../web/captions/debounce.js";
import { DEFAULT_OVERLAY, overlayQuery, overlayStyle, readOverlay } from "../../web/captions/overlay-options.js";
import { RoomKeys } from "../../web/captions/room-keys.js";
import { MAX_REMEMBERED_ROOMS, remember, rememberedOf } from "../../web/captions/room-memory.js";
import { roomNameOf } from "../../web/captions/room-name.js";
import { SilenceWatch } from "../../web/captions/silence-watch.js";
import { readReplacements, readVocabulary } from "../../web/captions/word-lists.js";

const overlay = (query) => readOverlay(new URLSearchParams(query));

test("spaces of a room's name become hyphens, and what cannot be is named", () => {
  assert.deepEqual(roomNameOf("  Town hall  2026 "), { name: "Town-hall-2026", problem: "" });
  assert.match(roomNameOf("").problem, /Type a name/);
  assert.match(roomNameOf("Große Halle!").problem, /can't contain ß !/);
  assert.match(roomNameOf("-hall").problem, /must begin/);
  assert.match(roomNameOf("a".repeat(65)).problem, /at most 64/);
  assert.equal(roomNameOf("a".repeat(64)).name.length, 64);
});

test("a burst of calls runs once, when it is over or at once when it must", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let runs = 0;
  const { call, flush } = debounced(() => (runs += 1), 500);
  flush();
  assert.equal(runs, 0, "nothing waits");
  for (let typed = 0; typed < 5; typed += 1) {
    call();
    mock.timers.tick(400);
  }
  assert.equal(runs, 0);
  mock.timers.tick(100);
  assert.equal(runs, 1);
  call();
  flush();
  mock.timers.tick(1000);
  assert.equal(runs, 2);
  mock.timers.reset();
});

test("a viewer tries again every two seconds or so, and never gives up", () => {
  const backoff = new Backoff({ maxDelayMs: 2000, giveUpMs: Infinity });
  const delays = Array.from({ length: 500 }, (_, index) => backoff.next((index % 10) / 10));
  assert.ok(delays.every((delay) => delay !== null && delay <= 2500));
});

test("an overlay's address says how it looks, and the defaults are left out of it", () => {
  const { options, problems } = overlay("overlay=1&size=48&lines=3&color=%23FFE14D&opacity=0&position=top&align=left&names=1&fade=0&font=Open+Sans");
  assert.deepEqual(problems, []);
  assert.deepEqual(
    options,
    { ...DEFAULT_OVERLAY, size: 48, lines: 3, color: "ffe14d", opacity: 0, position: "top", align: "left", names: true, fade: 0, font: "Open Sans" },
  );
  assert.deepEqual(overlay(overlayQuery(options)), { options, problems: [] });
  assert.equal(overlayQuery(DEFAULT_OVERLAY), "?overlay=1");
});

for (const [query, expected] of [
  ["size=7", /"size=7" is not accepted: 8 to 400 px/],
  ["size=", /"size=" is not accepted/],
  ["size=big", /"size=big" is not accepted/],
  ["lines=0", /1 to 10/],
  ["lines=2.5", /1 to 10/],
  ["color=red", /six hexadecimal digits/],
  ["background=12345", /six hexadecimal digits/],
  ["opacity=101", /0 to 100 percent/],
  ["position=left", /top, middle, bottom/],
  ["align=middle", /left, center, right/],
  ["names=yes", /0 or 1/],
  ["fade=-1", /0 to 600 seconds/],
  ["font=a%22%3B", /name of a font/],
  ["colour=ffffff", /"colour" is unknown; known are font, size, color/],
  ["overlay=yes", /write overlay=1/],
  ["lines=2&lines=3", /given 2 times/],
]) {
  test(`an overlay's address with ${query} is not right`, () => {
    const { options, problems } = overlay(query);
    assert.equal(problems.length, 1);
    assert.match(problems[0], expected);
    assert.deepEqual(options, DEFAULT_OVERLAY);
  });
}

test("what is not in an overlay's address is the style sheet's", () => {
  assert.equal("--size" in overlayStyle(DEFAULT_OVERLAY), false);
  assert.equal(overlayStyle({ ...DEFAULT_OVERLAY, size: 40 })["--size"], "40px");
  assert.match(overlayStyle({ ...DEFAULT_OVERLAY, font: "Lexend" })["--overlay-font"], /^"Lexend", .*sans-serif$/);
});

test("words are found without regard to capitals and accents", () => {
  const texts = ["Ein Café, ein CAFE.", "nothing", "the café"];
  assert.deepEqual(findWords(texts, "cafe"), [
    { place: 0, start: 4, end: 8 },
    { place: 0, start: 14, end: 18 },
    { place: 2, start: 4, end: 8 },
  ]);
  assert.deepEqual(findWords(texts, "  "), []);
  assert.equal(findWords(["a".repeat(MAX_MATCHES + 5)], "a").length, MAX_MATCHES);
});

test("found places are those of the text as it is written", () => {
  const text = "ﬁrst 😀 Straße fin";
  const [match] = findWords([text], "straße");
  assert.equal(text.slice(match.start, match.end), "Straße");
  const [ligature] = findWords([text], "first");
  assert.equal(text.slice(ligature.start, ligature.end), "ﬁrst");
  const decomposed = "cafe\u0301 noir";
  const [accent] = findWords([decomposed], "café");
  assert.equal(decomposed.slice(accent.start, accent.end), "cafe\u0301");
});

test("times are written as on a clock", () => {
  assert.deepEqual([0, 59.9, 65, 3600, 3845].map(clockText), ["0:00", "0:59", "1:05", "1:00:00", "1:04:05"]);
});

test("a room was cleared if its server says so, or if its key changes although it outlives a restart", () => {
  const keys = new RoomKeys();
  assert.equal(keys.follow({ key: "", cleared: [] }), "");
  assert.equal(keys.follow({ key: "a", cleared: [] }), "");
  assert.equal(keys.follow({ key: "c", cleared: ["a", "b"] }), "cleared");
  assert.equal(keys.follow({ key: "c", cleared: ["a", "b"] }), "");
  assert.equal(keys.follow({ key: "d", cleared: ["a", "b"] }), "restarted");
  assert.equal(keys.follow({ key: "d", cleared: [], kept: true }), "");
  assert.equal(keys.follow({ key: "e", cleared: [], kept: true }), "cleared");
});

test("a room that was cleared and has ended is cleared for a viewer that comes back only then, once", () => {
  const keys = new RoomKeys();
  keys.follow({ key: "a", cleared: [] });
  assert.equal(keys.follow({ key: "", cleared: ["a"] }), "cleared");
  assert.equal(keys.follow({ key: "", cleared: ["a"] }), "");
  assert.equal(keys.follow({ key: "b", cleared: ["a"] }), "");
});

test("a room that was deleted and opened again is another one", () => {
  const keys = new RoomKeys();
  keys.follow({ key: "a" });
  assert.equal(keys.follow({ key: "" }), "");
  assert.equal(keys.follow({ key: "b" }), "restarted");
});

test("the rooms that were used last are remembered", () => {
  const kept = new Map();
  globalThis.localStorage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value) };
  remember("first", { title: "One" });
  remember("first", { speaker: "Ann" });
  assert.deepEqual(rememberedOf("first"), { title: "One", speaker: "Ann", vocabulary: "", replacements: "" });
  for (let number = 1; number < MAX_REMEMBERED_ROOMS; number += 1) remember(`room-${number}`, { title: "x" });
  assert.equal(rememberedOf("first").title, "One");
  remember("one-more", { title: "x" });
  assert.equal(rememberedOf("first").title, "");
  kept.set("streamsrv.captions.rooms", "nonsense");
  assert.equal(rememberedOf("one-more").title, "");
  delete globalThis.localStorage;
});

test("a vocabulary is read from lines and commas", () => {
  assert.deepEqual(readVocabulary(" streamsrv, Ångström\nAda Lovelace\n\nstreamsrv"), {
    keywords: ["streamsrv", "Ångström", "Ada Lovelace"],
    problems: [],
  });
  const { keywords, problems } = readVocabulary(`${"x".repeat(51)}\n${Array.from({ length: 101 }, (_, n) => `w${n}`).join("\n")}`);
  assert.equal(keywords.length, 100);
  assert.equal(problems.length, 2);
});

test("replacements are read line by line, and what is wrong with a line is said", () => {
  assert.deepEqual(readReplacements("stream serve = streamsrv\nuh =\na -> b\n\nteh→the"), {
    replacements: [{ from: "stream serve", to: "streamsrv" }, { from: "uh", to: "" }, { from: "a", to: "b" }, { from: "teh", to: "the" }],
    problems: [],
  });
  const { replacements, problems } = readReplacements("nothing\n= x\na = 1\nA = 2");
  assert.deepEqual(replacements, [{ from: "a", to: "1" }]);
  assert.match(problems.join(" "), /no "=".*does not say what.*replaced twice/);
});

test("silence is noticed once it has lasted", () => {
  const watch = new SilenceWatch();
  watch.start(0);
  assert.equal(watch.push(0, 5000), false);
  assert.equal(watch.push(0, 6001), true);
  assert.equal(watch.push(0.5, 6100), false);
  assert.equal(watch.push(0, 12_000), false);
});
