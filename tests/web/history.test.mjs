import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { fakeDatabase } from "./fake-indexed-db.mjs";

const { Emitter } = await import("../../web/lib/emitter.js");
const { ConversationStore } = await import("../../web/assistant/conversation-store.js");
const { History } = await import("../../web/assistant/history.js");

/** What pages of one browser share, and what each tab has for itself. */
let browser, local, tabs;
let now = 0;
Date.now = () => ++now;

beforeEach(() => {
  browser = fakeDatabase();
  local = fakeStorage();
  tabs = [];
});

function fakeStorage() {
  const values = new Map();
  return { getItem: (name) => values.get(name) ?? null, setItem: (name, value) => values.set(name, value) };
}

class FakeChannel {
  constructor() {
    tabs.push(this);
  }
  postMessage(data) {
    for (const other of tabs) if (other !== this) other.onmessage?.({ data });
  }
  close() {
    tabs = tabs.filter((each) => each !== this);
  }
}

class FakeSession extends Emitter {
  messages = [];
  active = false;
  begin(messages = []) {
    this.#change(messages);
  }
  say(text, more = {}) {
    const id = `m${this.messages.length}`;
    this.#change([...this.messages, { id, role: "user", status: "done", text, tentative: "", spoken: false, lit: 0, at: 1, ...more }]);
  }
  grow(text) {
    this.#change([...this.messages.slice(0, -1), { ...this.messages.at(-1), text }]);
  }
  #change(messages) {
    this.messages = messages;
    this.emit("messages", messages);
  }
}

/** A page in a tab; `storage` is the tab's. */
function open(storage = fakeStorage()) {
  const listeners = {};
  Object.assign(globalThis, {
    indexedDB: browser,
    localStorage: local,
    sessionStorage: storage,
    BroadcastChannel: FakeChannel,
    document: { visibilityState: "visible" },
    addEventListener: (type, listener) => (listeners[type] = listener),
  });
  const session = new FakeSession();
  const history = new History(session);
  const focus = () => (globalThis.sessionStorage = storage);
  return { session, history, storage, focus, leave: () => listeners.pagehide(), come: () => listeners.pageshow() };
}

/** Waits until the fake database has nothing to do. */
async function settled() {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

const titles = async (history) => (await history.find()).map(({ title }) => title);
const texts = ({ messages }) => messages.map(({ text }) => text);

test("a conversation is there again after the page was loaded again, and goes on as the same one", async () => {
  const before = open();
  before.session.say("Hello.");
  await settled();
  const after = open(before.storage);
  await after.history.restore();
  assert.deepEqual(texts(after.session), ["Hello."]);
  after.session.say("And again.");
  await settled();
  assert.deepEqual(await titles(after.history), ["Hello."]);
  const third = open(before.storage);
  await third.history.restore();
  assert.deepEqual(texts(third.session), ["Hello.", "And again."]);
});

test("another tab begins with an empty page, and finds the conversation in its list", async () => {
  open().session.say("Hello.");
  await settled();
  const other = open();
  await other.history.restore();
  assert.deepEqual(texts(other.session), []);
  assert.deepEqual(await titles(other.history), ["Hello."]);
});

test("nothing is written while a message grows, and what is unfinished when the page is left", async () => {
  const { session, leave, storage } = open();
  session.say("Hello.");
  session.say("", { role: "assistant", status: "in_progress" });
  await settled();
  const { written } = browser;
  for (const text of ["O", "On", "Once"]) session.grow(text);
  await settled();
  assert.equal(browser.written, written);
  leave();
  await settled();
  const after = open(storage);
  await after.history.restore();
  assert.deepEqual(after.session.messages.map(({ text, status }) => [text, status]), [["Hello.", "done"], ["Once", "cut"]]);
});

test("who began a conversation meanwhile is not interrupted by the one before", async () => {
  const before = open();
  before.session.say("Hello.");
  await settled();
  const after = open(before.storage);
  const restored = after.history.restore();
  after.session.say("Something else.");
  await restored;
  await settled();
  assert.deepEqual(texts(after.session), ["Something else."]);
  assert.deepEqual((await titles(after.history)).sort(), ["Hello.", "Something else."]);
});

test("two tabs with the same conversation do not overwrite each other", async () => {
  const one = open();
  one.session.say("Hello.");
  await settled();
  const two = open(fakeStorage());
  await two.history.open((await two.history.find())[0].id);
  one.session.say("From one.");
  await settled();
  two.session.say("From two.");
  await settled();
  two.leave();
  one.leave();
  await settled();
  const all = [];
  for (const { id } of await one.history.find()) all.push(texts(await new ConversationStore().read(id)));
  assert.deepEqual(all.sort(), [["Hello.", "From one."], ["Hello.", "From two."]].sort());
});

test("a new conversation leaves the one before in the list, and can be undone", async () => {
  const { session, history } = open();
  session.say("Hello.");
  const undo = history.begin();
  assert.deepEqual(texts(session), []);
  await settled();
  assert.deepEqual(await titles(history), ["Hello."]);
  undo();
  assert.deepEqual(texts(session), ["Hello."]);
  session.say("Again.");
  await settled();
  assert.deepEqual((await history.find()).map(({ count }) => count), [2]);
});

test("a kept conversation is opened, and found by its words", async () => {
  const { session, history } = open();
  session.say("The Brooklyn Bridge.");
  history.begin();
  session.say("Echo cancellation.");
  await settled();
  const [found] = await history.find("bridge");
  await history.open(found.id);
  assert.deepEqual(texts(session), ["The Brooklyn Bridge."]);
  assert.deepEqual(await titles(history), ["Echo cancellation.", "The Brooklyn Bridge."]);
});

test("a deleted conversation goes from the page and can be brought back to the list", async () => {
  const { session, history } = open();
  session.say("Hello.");
  await settled();
  const undo = await history.delete((await history.find())[0]);
  assert.deepEqual([await titles(history), texts(session)], [[], []]);
  await undo();
  assert.deepEqual(await titles(history), ["Hello."]);
});

test("a conversation that was deleted in another tab is not kept again", async () => {
  const one = open();
  one.session.say("Hello.");
  await settled();
  const two = open();
  await two.history.deleteAll();
  one.session.say("Still here.");
  one.leave();
  await settled();
  assert.deepEqual(await titles(two.history), []);
  one.come();
  one.history.begin();
  one.session.say("A new one.");
  await settled();
  assert.deepEqual(await titles(two.history), ["A new one."]);
});

test("who wants nothing kept has nothing kept, in any tab and after a reload", async () => {
  const one = open();
  const two = open();
  for (const { session } of [one, two]) session.say("Hello.");
  await settled();
  await two.history.setKeeps(false);
  for (const { session } of [one, two]) session.say("More.");
  await settled();
  const three = open(one.storage);
  await three.history.restore();
  three.session.say("Nobody knows.");
  await settled();
  assert.deepEqual([three.history.keeps, await titles(three.history)], [false, []]);
  await three.history.setKeeps(true);
  await settled();
  assert.ok((await titles(three.history)).includes("Nobody knows."), "the one on the page is kept from now on");
});

test("where site data is blocked the conversation works and is not kept", async () => {
  const page = open();
  for (const name of ["localStorage", "sessionStorage", "indexedDB"]) {
    const get = () => {
      throw new DOMException("denied", "SecurityError");
    };
    Object.defineProperty(globalThis, name, { get, configurable: true });
  }
  globalThis.BroadcastChannel = class {
    constructor() {
      throw new DOMException("denied", "SecurityError"); // as in Firefox
    }
  };
  globalThis.addEventListener = () => {};
  const session = new FakeSession();
  const history = new History(session);
  await history.restore();
  session.say("Hello.");
  await settled();
  history.begin()();
  assert.deepEqual([texts(session), await titles(history), history.lack], [["Hello."], [], "unavailable"]);
  for (const name of ["localStorage", "sessionStorage", "indexedDB"]) {
    Object.defineProperty(globalThis, name, { value: undefined, writable: true, configurable: true });
  }
  assert.ok(page);
});

test("the conversations of a newer version of the page are left alone", async () => {
  browser = fakeDatabase({ version: 2 });
  const { session, history } = open();
  session.say("Hello.");
  await settled();
  assert.deepEqual([history.lack, browser.version, browser.written], ["newer", 2, 0]);
});

test("a newer version in another tab gets the database, and this page keeps nothing any more", async () => {
  const { session, history } = open();
  session.say("Hello.");
  await settled();
  const [database] = browser.databases;
  database.onversionchange();
  const { written } = browser;
  session.say("More.");
  await settled();
  assert.deepEqual([database.closed, history.lack, browser.written], [true, "newer", written]);
});

test("where the browser gives no more space older conversations go, and only then is it a problem", async () => {
  const { session, history } = open();
  const lacks = [];
  history.on("lack", (lack) => lacks.push(lack));
  for (const text of ["One.", "Two.", "Three."]) {
    session.say(text);
    history.begin();
    await settled();
  }
  browser.faults = ["QuotaExceededError"];
  session.say("Four.");
  await settled();
  assert.deepEqual([(await titles(history)).sort(), lacks], [["Four.", "Three."], []]);
  browser.faults = ["QuotaExceededError", "QuotaExceededError"];
  session.say("Five.");
  await settled();
  assert.deepEqual([lacks, history.lack, texts(session)], [["full"], "full", ["Four.", "Five."]]);
});

test("at most a hundred conversations are kept", async () => {
  const { session, history } = open();
  for (let i = 0; i < 102; i++) {
    session.say(`Number ${i}.`);
    history.begin();
  }
  await settled();
  assert.equal((await history.find()).length, 100);
});
