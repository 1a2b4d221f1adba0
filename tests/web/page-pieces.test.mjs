import assert from "node:assert/strict";
import { test } from "node:test";

import { LevelWatch } from "../../web/assistant/level-watch.js";
import { onDemand } from "../../web/assistant/on-demand.js";
import { actionOf } from "../../web/assistant/shortcuts.js";
import { SoundCues } from "../../web/assistant/sound-cues.js";
import { speedRange } from "../../web/assistant/speed-range.js";

const KEY = { ctrlKey: false, altKey: false, metaKey: false, repeat: false, isComposing: false, defaultPrevented: false };
const ON = { isOn: true, isCovered: false };
const page = { closest: () => null };
const field = { closest: (selectors) => (selectors.includes("textarea") ? {} : null) };
const pressed = (key, { target = page, state = ON, ...changes } = {}) => actionOf({ ...KEY, key, ...changes }, target, state);

test("single keys do what the help says", () => {
  const actions = ["T", "m", "h", "/", "n", "?", "Escape", "x", " "].map((key) => pressed(key));
  assert.deepEqual(actions, ["talk", "mute", "hangUp", "write", "new", "help", "interrupt", null, null]);
});

test("a letter that is typed is a letter, and Escape stops the reply there, too", () => {
  assert.deepEqual(["m", "/", "?", "Escape"].map((key) => pressed(key, { target: field })), [null, null, null, "interrupt"]);
});

test("a key with a modifier, a held one, one of an input method and one in a dialog is not the page's", () => {
  for (const change of ["ctrlKey", "altKey", "metaKey", "repeat", "isComposing", "defaultPrevented"]) {
    assert.equal(pressed("m", { [change]: true }), null, change);
  }
  assert.equal(pressed("Escape", { state: { isOn: true, isCovered: true } }), null);
});

test("single keys can be switched off, and Escape stays", () => {
  const state = { isOn: false, isCovered: false };
  assert.deepEqual(["m", "?", "Escape"].map((key) => pressed(key, { state })), [null, null, "interrupt"]);
});

/** The sounds of a conversation that goes through these activities. */
function sounds(activities, mode = "hands-free") {
  const cues = new SoundCues();
  return activities.map((activity) => cues.take(activity, mode)).filter(Boolean);
}

test("a sound tells that the page listens and that the conversation ended, and none comes in between", () => {
  const talk = ["connecting", "paused", "listening", "hearing", "thinking", "speaking", "listening", "idle"];
  assert.deepEqual([...sounds(talk), ...sounds(talk)], ["connected", "ended", "connected", "ended"]);
});

test("a connection that is back is heard", () => {
  assert.deepEqual(sounds(["connecting", "listening", "reconnecting", "connecting", "listening"]), ["connected", "connected"]);
});

test("a typed conversation is silent, and a failed start, too", () => {
  assert.deepEqual(sounds(["connecting", "paused", "thinking", "speaking", "paused", "idle", "connecting", "idle"]), []);
});

test("nothing sounds while the button is held", () => {
  assert.deepEqual(sounds(["connecting", "hearing", "thinking", "paused"], "push-to-talk"), ["connected"]);
});

const block = (value) => new Float32Array(100).fill(value);

/** What the check says of a microphone whose blocks have these values, one each 100 ms. */
function verdicts(values) {
  const watch = new LevelWatch(0);
  return values.map((value, i) => watch.take(block(value), i * 100).verdict);
}

test("a microphone that is heard works, and one that is not is told after some seconds", () => {
  assert.deepEqual(verdicts([0.001, 0.1, 0.001]), ["waiting", "heard", "heard"]);
  assert.equal(verdicts(Array(60).fill(0.001)).at(-1), "nothing");
  assert.equal(verdicts([0.1, ...Array(60).fill(0.001)]).at(-1), "nothing");
});

test("a microphone from which not even noise comes is muted", () => {
  assert.equal(verdicts(Array(60).fill(0)).at(-1), "silent");
});

test("distortion is told, a knock is not", () => {
  assert.equal(verdicts([0.1, 1, 0.1]).at(-1), "heard");
  const loud = verdicts([1, 0.5, 1, 0.5, 1, ...Array(30).fill(0.1)]);
  assert.deepEqual([loud[4], loud.at(-1)], ["clipping", "heard"]);
});

test("the meter goes from silence to full scale", () => {
  const watch = new LevelWatch(0);
  assert.deepEqual([0, 1].map((value) => watch.take(block(value), 0).level), [0, 1]);
});

test("the pace is chosen within what the voices can", () => {
  assert.deepEqual(speedRange({ min_speed: 0.25, max_speed: 4 }), { min: 0.5, max: 1.5 });
  assert.deepEqual(speedRange({ min_speed: 0.8, max_speed: 1.2 }), { min: 0.8, max: 1.2 });
  assert.deepEqual(speedRange({}), { min: 0.5, max: 1.5 }, "an older server does not tell");
  assert.deepEqual(speedRange(null), { min: 1, max: 1 });
});

test("a part of the page is loaded once, and again if it did not come", async () => {
  let loads = 0;
  let failures = 0;
  const part = onDemand(
    async () => {
      loads += 1;
      if (loads === 1) throw new Error("offline");
      return "part";
    },
    () => (failures += 1),
  );
  const used = [];
  for (let i = 0; i < 3; i++) await part((each) => used.push(each));
  assert.deepEqual([loads, failures, used], [2, 1, ["part", "part"]]);
});
