import assert from "node:assert/strict";
import test from "node:test";

import { Server } from "../../web/lib/server.js";

/** The session that a page asks a client secret for. */
async function secretOf(query) {
  let asked;
  globalThis.fetch = async (_, options) => {
    asked = JSON.parse(options.body);
    return new Response(JSON.stringify({ value: "ek_1" }));
  };
  const server = new Server(new URL("http://server/"), "sk-1");
  assert.deepEqual(await server.subprotocols(query), ["realtime", "openai-insecure-api-key.ek_1"]);
  return asked.session;
}

test("the secret of a caption speaker is made with its room", async () => {
  assert.deepEqual(await secretOf({ intent: "transcription", captions: "main" }), {
    type: "transcription",
    streamsrv: { captions: { room: "main" } },
  });
});

test("the secret of a conversation is made with its model, and with no room", async () => {
  assert.deepEqual(await secretOf({ model: "m" }), { type: "realtime", model: "m" });
});
