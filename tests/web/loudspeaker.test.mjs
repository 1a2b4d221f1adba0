import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

/** Loudspeakers that are plugged in. */
let devices = [];
let changed = () => {};
const mediaDevices = {
  enumerateDevices: async () => devices.map((deviceId) => ({ kind: "audiooutput", deviceId })),
  addEventListener: (_type, listener) => (changed = listener),
};
Object.defineProperty(globalThis, "navigator", { value: { mediaDevices }, configurable: true });
globalThis.HTMLMediaElement = class {
  setSinkId() {}
};
globalThis.AudioContext = class {
  setSinkId() {}
};
const { listLoudspeakers, Loudspeaker, playToEnd } = await import("../../web/lib/loudspeaker.js");

/** Something that sounds, on the devices there are. */
class FakeOutput {
  device = "";
  volume = 1;
  setVolume(volume) {
    this.volume = volume;
  }
  async setDevice(id) {
    if (id && !devices.includes(id)) throw new DOMException("gone", "NotFoundError");
    this.device = id;
  }
}

beforeEach(() => (devices = ["default", "headset", "screen"]));

function playing() {
  const loudspeaker = new Loudspeaker();
  const problems = [];
  loudspeaker.on("problem", ({ code }) => problems.push(code));
  const outputs = [new FakeOutput(), new FakeOutput()];
  for (const output of outputs) loudspeaker.add(output);
  return { loudspeaker, problems, outputs, where: () => outputs.map(({ device }) => device) };
}

test("everything that sounds goes to the chosen loudspeaker, also what comes later", async () => {
  const { loudspeaker, outputs, where } = playing();
  await loudspeaker.choose({ loudspeaker: "headset", volume: 0.4 });
  const later = new FakeOutput();
  await loudspeaker.add(later);
  assert.deepEqual([...where(), later.device], ["headset", "headset", "headset"]);
  assert.deepEqual([...outputs, later].map(({ volume }) => volume), [0.4, 0.4, 0.4]);
  await loudspeaker.choose({ loudspeaker: "", volume: 2 });
  assert.deepEqual([...where(), outputs[0].volume], ["", "", 1]);
});

test("a loudspeaker that is pulled out is replaced by the default and told once; it is used again when it is back", async () => {
  const { loudspeaker, problems, where } = playing();
  await loudspeaker.choose({ loudspeaker: "headset", volume: 1 });
  devices = ["default", "screen"];
  await changed();
  await changed();
  assert.deepEqual([where(), problems], [["", ""], ["loudspeaker_changed"]]);
  devices = ["default", "headset"];
  await changed();
  assert.deepEqual([where(), problems], [["headset", "headset"], ["loudspeaker_changed"]]);
});

test("a loudspeaker that is gone already is told once, whatever sounds", async () => {
  const { loudspeaker, problems, where } = playing();
  await loudspeaker.choose({ loudspeaker: "gone", volume: 1 });
  await loudspeaker.add(new FakeOutput());
  assert.deepEqual([where(), problems], [["", ""], ["loudspeaker_changed"]]);
});

test("before a microphone was allowed the browser names no loudspeaker, and none counts as gone", async () => {
  const { loudspeaker, problems, where } = playing();
  await loudspeaker.choose({ loudspeaker: "headset", volume: 1 });
  devices = ["", "default"];
  await changed();
  assert.deepEqual([await listLoudspeakers(), where(), problems], [[], ["headset", "headset"], []]);
});

test("a loudspeaker that the browser refuses until a microphone is allowed is used then", async () => {
  const { loudspeaker, problems, where } = playing();
  devices = [""];
  await loudspeaker.choose({ loudspeaker: "headset", volume: 1 });
  assert.deepEqual([where(), problems], [["", ""], []]);
  devices = ["default", "headset"];
  await loudspeaker.check();
  assert.deepEqual([where(), problems], [["headset", "headset"], []]);
});

test("what the browser begins to play and then cannot is told in plain words", async () => {
  const element = { play: async () => {} };
  const played = playToEnd(element, new AbortController().signal);
  element.onerror(new Event("error")); // as in Firefox without a loudspeaker
  await assert.rejects(played, { code: "unplayable", message: "Your browser couldn't play it. Is a loudspeaker connected?" });
  const refused = { play: async () => Promise.reject(new DOMException("no", "NotSupportedError")) };
  await assert.rejects(playToEnd(refused, new AbortController().signal), { code: "unplayable" });
  const stop = new AbortController();
  const stopped = playToEnd({ play: async () => {} }, stop.signal);
  stop.abort();
  await stopped;
});
