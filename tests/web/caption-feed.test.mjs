/** How a viewer follows a room over losses of its connection. */

import assert from "node:assert/strict";
import { after, before, beforeEach, mock, test } from "node:test";

import { Problem, unreachable } from "../../web/lib/problems.js";

const listeners = new Map();
const listen = { addEventListener: (type, listener) => listeners.set(type, listener), removeEventListener: () => {} };
Object.assign(globalThis, listen);
globalThis.document = { ...listen, visibilityState: "visible" };

const { CaptionFeed } = await import("../../web/captions/feed.js");

/** A server whose answers a test gives; null: its network answers nothing. */
class FakeServer {
  requests = [];
  problem = null;

  fetch(path, { signal, headers }) {
    const request = { path, headers };
    this.requests.push(request);
    if (this.problem) return Promise.reject(this.problem);
    const body = new ReadableStream({
      start(controller) {
        request.push = (text) => controller.enqueue(new TextEncoder().encode(text));
        request.end = () => controller.close();
        signal.addEventListener("abort", () => controller.error(signal.reason));
      },
    });
    return Promise.resolve({ body });
  }

  get last() {
    return this.requests.at(-1);
  }
}

/** Let everything run that is not a matter of time. */
const settle = async () => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

let server;
let feed;
let waits;

before(() => mock.timers.enable({ apis: ["setTimeout", "Date"] }));
after(() => mock.timers.reset());
beforeEach(async () => {
  feed?.close();
  server = new FakeServer();
  feed = new CaptionFeed(server, "hall");
  waits = [];
  feed.on("status", ({ status, retryInMs }) => status === "reconnecting" && waits.push(retryInMs));
  void feed.run();
  await settle();
});

const loseFor = async (attempts) => {
  server.problem = unreachable();
  server.last.end();
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    await settle();
    mock.timers.tick(waits.at(-1));
  }
  await settle();
};

test("no attempt waits longer than two and a half seconds, however long the server is away", async () => {
  await loseFor(40);
  assert.equal(server.requests.length, 41);
  assert.ok(Math.max(...waits) <= 2500, `${waits}`);
});

test("a feed resumes after the last final text", async () => {
  server.last.push('event: final\nid: k-7\ndata: {"item_id":"a","text":"One.","start":0,"end":1}\n\n');
  await settle();
  server.last.end();
  await settle();
  mock.timers.tick(waits.at(-1));
  await settle();
  assert.deepEqual(server.last.headers, { "Last-Event-ID": "k-7" });
});

test("a viewer that was away while its room was cleared is told when it comes back", async () => {
  const changes = [];
  feed.on("room", ({ change }) => changes.push(change));
  server.last.push('event: room\ndata: {"room":"hall","key":"k","kept":false,"cleared":[]}\n\n');
  await settle();
  await loseFor(3);
  server.problem = null;
  feed.retryNow();
  await settle();
  server.last.push('event: room\ndata: {"room":"hall","key":"m","kept":false,"cleared":["k","l"]}\n\n');
  await settle();
  assert.deepEqual(changes, ["", "cleared"]);
});

for (const [name, comesBack] of [
  ["the network is back", () => listeners.get("online")()],
  ["the reader is back", () => listeners.get("visibilitychange")()],
  ["the reader wants to try", () => feed.retryNow()],
]) {
  test(`${name}: the feed tries again at once`, async () => {
    await loseFor(5);
    const before = server.requests.length;
    server.problem = null;
    comesBack();
    await settle();
    assert.equal(server.requests.length, before + 1);
  });
}

test("another network may have cut the connection without a word: the feed connects anew", async () => {
  server.last.push(":\n\n");
  await settle();
  listeners.get("online")();
  await settle();
  assert.equal(server.requests.length, 2);
  assert.deepEqual(waits, [0]);
});

test("a page that was frozen connects anew when it is looked at, and one that was not stays connected", async () => {
  server.last.push(":\n\n");
  await settle();
  listeners.get("visibilitychange")();
  await settle();
  assert.equal(server.requests.length, 1);
  mock.timers.setTime(Date.now() + 25_000); // the clock goes on, the timers of a frozen page do not
  listeners.get("visibilitychange")();
  await settle();
  assert.equal(server.requests.length, 2);
});

test("a server without a place for another viewer is asked less often", async () => {
  server.problem = new Problem("server_full", "This server has its maximum of 5 caption viewers.");
  server.last.end();
  await settle();
  mock.timers.tick(waits.at(-1));
  await settle();
  assert.equal(waits.at(-1), 10_000);
});

test("a page of a speaker is told how many viewers there are", async () => {
  const speaker = new CaptionFeed(server, "hall", true);
  const counts = [];
  speaker.on("viewers", (count) => counts.push(count));
  void speaker.run();
  await settle();
  server.last.push('event: viewers\ndata: {"viewers":3}\n\n');
  await settle();
  speaker.close();
  assert.match(server.last.path, /\/hall\/events\?speaker=1$/);
  assert.deepEqual(counts, [3]);
});
