import assert from "node:assert/strict";
import { test } from "node:test";

import { Emitter } from "../../web/lib/emitter.js";

/** The system's media controls, which know no `hangup`. */
const handlers = {};
const mediaSession = {
  metadata: null,
  playbackState: "none",
  setActionHandler(name, run) {
    if (name === "hangup") throw new TypeError("not an action");
    handlers[name] = run;
  },
  setMicrophoneActive(active) {
    this.microphone = active;
  },
};
Object.defineProperty(globalThis, "navigator", { value: { mediaSession }, configurable: true });
globalThis.MediaMetadata = class {
  constructor(facts) {
    Object.assign(this, facts);
  }
};
const { MediaControls } = await import("../../web/assistant/media-controls.js");

test("the system's media controls show the conversation, and stop what it says", () => {
  const done = [];
  const session = Object.assign(new Emitter(), {
    muted: false,
    close: () => done.push("closed"),
    interrupt: () => done.push("interrupted"),
  });
  new MediaControls(session, "listening", () => done.push("microphone"));
  assert.deepEqual([mediaSession.metadata.title, mediaSession.microphone], ["Conversation", true]);
  session.emit("activity", "speaking");
  assert.equal(mediaSession.playbackState, "playing");
  handlers.pause();
  handlers.togglemicrophone();
  handlers.stop();
  assert.deepEqual(done, ["interrupted", "microphone", "closed"]);
  session.emit("activity", "paused");
  assert.equal(mediaSession.microphone, false);
  session.emit("activity", "idle");
  assert.deepEqual([mediaSession.metadata, mediaSession.playbackState, mediaSession.microphone], [null, "none", false]);
});
